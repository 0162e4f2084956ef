//! The words of what leads do and become.

vocabulary! {
    /// Where a lead stands in its lifecycle.
    Stage ("stage") {
        /// Known, not yet contacted.
        New = "NEW",
        /// A first message went out.
        Contacted = "CONTACTED",
        /// The score reached the threshold, or a person said so.
        Qualified = "QUALIFIED",
        /// Answered, met or filled in a form after contact.
        Engaged = "ENGAGED",
        /// A deal is open.
        Opportunity = "OPPORTUNITY",
        /// Converted.
        Customer = "CUSTOMER",
        /// Was a customer and left.
        Churned = "CHURNED",
        /// Will not become a customer.
        Lost = "LOST",
    }

    /// What brought a move to another stage about.
    StageCause ("stage cause") {
        /// A person or token moved the lead.
        Manual = "MANUAL",
        /// The lead was in this stage when it became known, e.g. as a row of an import said.
        Initial = "INITIAL",
        /// A first message went out.
        MessageSent = "MESSAGE_SENT",
        /// The score reached the threshold.
        Score = "SCORE",
        /// The lead replied, booked a meeting or filled in a form after contact.
        Response = "RESPONSE",
        /// A deal was opened.
        DealOpened = "DEAL_OPENED",
        /// A conversion was recorded.
        Conversion = "CONVERSION",
    }

    /// What brought a change of a score about.
    ScoreCause ("score cause") {
        /// The lead became known.
        Created = "CREATED",
        /// An engagement was recorded or its human confidence corrected.
        Engagement = "ENGAGEMENT",
        /// Fields of the lead changed.
        Fields = "FIELDS",
        /// A consent changed.
        Consent = "CONSENT",
        /// The lead moved to another stage.
        Stage = "STAGE",
        /// An event left its window.
        Window = "WINDOW",
        /// Another scoring model came into force.
        Model = "MODEL",
        /// A recalculation was asked for.
        Recalculation = "RECALCULATION",
    }

    /// What happened in an engagement.
    EngagementType ("engagement type") {
        /// An e-mail was handed to the provider.
        EmailSent = "EMAIL_SENT",
        /// An e-mail was accepted by the recipient's server.
        EmailDelivered = "EMAIL_DELIVERED",
        /// An e-mail was opened.
        EmailOpened = "EMAIL_OPENED",
        /// A link of an e-mail was clicked.
        EmailClicked = "EMAIL_CLICKED",
        /// An e-mail was answered.
        EmailReplied = "EMAIL_REPLIED",
        /// An e-mail came back.
        EmailBounced = "EMAIL_BOUNCED",
        /// The recipient complained of spam.
        EmailComplained = "EMAIL_COMPLAINED",
        /// The recipient unsubscribed.
        EmailUnsubscribed = "EMAIL_UNSUBSCRIBED",
        /// An SMS was handed to the provider.
        SmsSent = "SMS_SENT",
        /// An SMS arrived.
        SmsDelivered = "SMS_DELIVERED",
        /// An SMS was answered.
        SmsReplied = "SMS_REPLIED",
        /// A WhatsApp message was handed to the provider.
        WhatsappSent = "WHATSAPP_SENT",
        /// A WhatsApp message was answered.
        WhatsappReplied = "WHATSAPP_REPLIED",
        /// A call was placed to the lead.
        CallMade = "CALL_MADE",
        /// The lead answered a call.
        CallAnswered = "CALL_ANSWERED",
        /// A form was submitted.
        FormSubmitted = "FORM_SUBMITTED",
        /// A page was viewed.
        PageViewed = "PAGE_VIEWED",
        /// A link outside of an e-mail was clicked.
        LinkClicked = "LINK_CLICKED",
        /// A file was downloaded.
        ContentDownloaded = "CONTENT_DOWNLOADED",
        /// A meeting was booked.
        MeetingScheduled = "MEETING_SCHEDULED",
        /// A checkout was begun.
        CheckoutStarted = "CHECKOUT_STARTED",
        /// Something was bought.
        PurchaseMade = "PURCHASE_MADE",
        /// An ad was shown.
        AdViewed = "AD_VIEWED",
        /// An ad was clicked.
        AdClicked = "AD_CLICKED",
        /// A like, comment, share or mention.
        SocialInteraction = "SOCIAL_INTERACTION",
        /// A message in a chat.
        ChatMessage = "CHAT_MESSAGE",
        /// Something else, with a name of its own.
        Custom = "CUSTOM",
    }

    /// By which way an engagement happened.
    Channel ("channel") {
        /// E-mail.
        Email = "EMAIL",
        /// Text message.
        Sms = "SMS",
        /// WhatsApp.
        Whatsapp = "WHATSAPP",
        /// Telephone.
        Voice = "VOICE",
        /// A website.
        Web = "WEB",
        /// Paid advertising.
        Ads = "ADS",
        /// Social networks.
        Social = "SOCIAL",
        /// A shop.
        Store = "STORE",
        /// Face to face.
        InPerson = "IN_PERSON",
        /// Any other.
        Other = "OTHER",
    }

    /// What brought an engagement about.
    SourceKind ("source kind") {
        /// A campaign.
        Campaign = "CAMPAIGN",
        /// A drip sequence.
        Sequence = "SEQUENCE",
        /// An automation rule.
        Automation = "AUTOMATION",
        /// A form.
        Form = "FORM",
        /// An outside platform.
        Integration = "INTEGRATION",
        /// A person or an API client.
        Manual = "MANUAL",
    }

    /// The device an engagement came from.
    Device ("device") {
        /// A desktop or laptop computer.
        Desktop = "DESKTOP",
        /// A telephone.
        Mobile = "MOBILE",
        /// A tablet.
        Tablet = "TABLET",
        /// Any other.
        Other = "OTHER",
    }

    /// A lead's grade, by its current score.
    Grade ("grade") {
        /// 90 and above.
        APlus = "A_PLUS",
        /// 80 and above.
        A = "A",
        /// 70 and above.
        BPlus = "B_PLUS",
        /// 60 and above.
        B = "B",
        /// 50 and above.
        CPlus = "C_PLUS",
        /// 40 and above.
        C = "C",
        /// Below 40.
        D = "D",
    }

    /// A lead's temperature, by its current score.
    Temperature ("temperature") {
        /// 75 and above.
        Hot = "HOT",
        /// 50 and above.
        Warm = "WARM",
        /// Below 50.
        Cold = "COLD",
    }

    /// A component of a score, 0–100.
    ScoreComponent ("score component") {
        /// Who the lead is.
        Demographic = "DEMOGRAPHIC",
        /// What the lead did.
        Behavioral = "BEHAVIORAL",
        /// Where the lead belongs and comes from.
        Firmographic = "FIRMOGRAPHIC",
        /// How fresh and permitted the contact is.
        Engagement = "ENGAGEMENT",
        /// How near to buying.
        Intent = "INTENT",
    }

    /// The state of a version of the scoring model.
    ScoreModelState ("score model state") {
        /// Being edited; may be back-tested.
        Draft = "DRAFT",
        /// In force.
        Published = "PUBLISHED",
        /// Was in force.
        Retired = "RETIRED",
    }

    /// Which way a journey goes: engagements of the last 30 days against the 30 before.
    Trend ("trend") {
        /// More than a fifth above.
        Increasing = "INCREASING",
        /// Within a fifth.
        Stable = "STABLE",
        /// More than a fifth below, or none in both.
        Declining = "DECLINING",
    }

    /// What a conversion is.
    ConversionKind ("conversion kind") {
        /// The lead was created.
        LeadCreated = "LEAD_CREATED",
        /// The lead was qualified.
        Qualified = "QUALIFIED",
        /// A deal was opened.
        Opportunity = "OPPORTUNITY",
        /// The lead became a customer.
        Customer = "CUSTOMER",
        /// The lead bought something.
        Purchase = "PURCHASE",
        /// Something else, with a name of its own.
        Custom = "CUSTOM",
    }

    /// What has become of a deal.
    DealState ("deal state") {
        /// It is worked on.
        Open = "OPEN",
        /// It was closed, and the lead bought.
        Won = "WON",
        /// It was closed, and the lead did not buy.
        Lost = "LOST",
    }

    /// What happened to a deal.
    DealChange ("deal change") {
        /// It was opened.
        Opened = "OPENED",
        /// Its name, value, expected close or owner changed.
        Updated = "UPDATED",
        /// It went to another stage.
        Moved = "MOVED",
        /// It was won.
        Won = "WON",
        /// It was lost.
        Lost = "LOST",
        /// It was opened again.
        Reopened = "REOPENED",
    }

    /// What the win rate of a stage rests on.
    WinRateBasis ("win rate basis") {
        /// The deals that were closed within the last 12 months.
        History = "HISTORY",
        /// The probability that the stage was given: too few deals were closed.
        Default = "DEFAULT",
    }

    /// How the credit for a conversion is shared.
    AttributionModel ("attribution model") {
        /// All to the first touch.
        FirstTouch = "FIRST_TOUCH",
        /// All to the last touch.
        LastTouch = "LAST_TOUCH",
        /// The same to each touch.
        Linear = "LINEAR",
        /// Half for each half-life before the conversion.
        TimeDecay = "TIME_DECAY",
        /// Most to the first and the last touch.
        UShaped = "U_SHAPED",
        /// Most to the first touch, the one that made an opportunity, and the last.
        WShaped = "W_SHAPED",
        /// By how many conversions would be missing without a channel, in a first-order chain of all journeys.
        Markov = "MARKOV",
        /// By the mean contribution of a channel to all sets of channels.
        Shapley = "SHAPLEY",
    }

    /// What credit is summed up by.
    AttributionDimension ("dimension of attribution") {
        /// The way a touch came.
        Channel = "CHANNEL",
        /// What brought a touch about: a campaign, a form, a platform.
        Source = "SOURCE",
        /// The campaign that brought a touch about.
        Campaign = "CAMPAIGN",
        /// The kind of touch.
        Type = "TYPE",
    }

    /// What sums of attribution are for.
    AttributionState ("state of attribution settings") {
        /// Being summed up; another version answers meanwhile.
        Building = "BUILDING",
        /// What is asked for is answered by these.
        Active = "ACTIVE",
        /// Others came after them; their sums are going.
        Past = "PAST",
        /// Their sums are gone; what is asked for as of then is still answered by them.
        Closed = "CLOSED",
    }

    /// How long the spans are that reports are summed up by.
    ReportLevel ("length of spans of reports") {
        /// A quarter of an hour.
        Quarter = "QUARTER",
        /// An hour.
        Hour = "HOUR",
        /// A UTC day.
        Day = "DAY",
        /// A month in UTC.
        Month = "MONTH",
    }

    /// What reports count: of leads by when they became known, of conversions by when they were.
    ReportMeasure ("measure of reports") {
        /// Leads, by source.
        Leads = "LEADS",
        /// Leads that were qualified, by source.
        Qualified = "QUALIFIED",
        /// Leads that became customers, by source.
        Customers = "CUSTOMERS",
        /// What their conversions are worth, in minor units, by source.
        Revenue = "REVENUE",
        /// Conversions, by source.
        Conversions = "CONVERSIONS",
        /// Conversions whose worth is not known in the currency of the reports, by source.
        Unvalued = "UNVALUED",
        /// Leads with a score, by source.
        Scored = "SCORED",
        /// Keys of decay of the scores above 0, in thousandths, by source.
        ScoreKey = "SCORE_KEY",
        /// Rates of decay of the same, in millionths of points a day, by source.
        ScoreRate = "SCORE_RATE",
        /// Leads by the stage that they are in.
        Standing = "STANDING",
        /// Leads by stage of the funnel: those that reached it.
        Reached = "REACHED",
        /// Stays that have ended, by stage.
        Stays = "STAYS",
        /// Seconds of the same, by stage.
        StaySeconds = "STAY_SECONDS",
        /// Stays by how long they were, by stage and class of length.
        StayClass = "STAY_CLASS",
        /// Leads by grade.
        Grade = "GRADE",
        /// Leads by temperature.
        Temperature = "TEMPERATURE",
        /// Leads by tens of the current score.
        ScoreTens = "SCORE_TENS",
        /// Leads by the months in which they were active.
        ActiveMonth = "ACTIVE_MONTH",
        /// Leads by the weeks in which they were active.
        ActiveWeek = "ACTIVE_WEEK",
        /// Leads by the trend of their journey.
        Trend = "TREND",
        /// Leads by tenths of their churn risk.
        RiskTenths = "RISK_TENTHS",
        /// Leads at high risk.
        HighRisk = "HIGH_RISK",
        /// Leads that have done anything.
        Journeys = "JOURNEYS",
        /// Seconds of their journeys, from the first engagement to the last.
        JourneySeconds = "JOURNEY_SECONDS",
        /// Conversions by kind.
        KindConversions = "KIND_CONVERSIONS",
        /// What conversions are worth, in minor units, by kind.
        KindWorth = "KIND_WORTH",
        /// Conversions whose worth is not known in the currency of the reports, by kind.
        KindUnvalued = "KIND_UNVALUED",
        /// Conversions by the source of their leads.
        SourceConversions = "SOURCE_CONVERSIONS",
        /// What conversions are worth, in minor units, by the source of their leads.
        SourceWorth = "SOURCE_WORTH",
    }

    /// What a cost was for.
    CostKind ("kind of cost") {
        /// Advertising.
        AdSpend = "AD_SPEND",
        /// Models that write or judge.
        Ai = "AI",
        /// Sending of messages.
        Sending = "SENDING",
        /// Reading of websites and bought data.
        Scraping = "SCRAPING",
        /// People, rooms, software.
        Operating = "OPERATING",
        /// Anything else.
        Other = "OTHER",
    }
}
