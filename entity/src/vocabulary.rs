//! The closed lists of words: one list for the database (text), JSON and GraphQL (SCREAMING_CASE).

macro_rules! vocabulary {
    ($($(#[$doc:meta])* $name:ident ($what:literal) { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
            sea_orm::EnumIter, sea_orm::DeriveActiveEnum, async_graphql::Enum,
            serde::Serialize, serde::Deserialize,
        )]
        #[sea_orm(rs_type = "String", db_type = "Text")]
        pub enum $name {
            $($(#[$vdoc])* #[sea_orm(string_value = $text)] #[serde(rename = $text)] #[graphql(name = $text)] $variant,)*
        }

        impl $name {
            /// All words, in their order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word as it is stored and shown.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            /// Its place in [`Self::ALL`].
            #[must_use]
            pub const fn index(self) -> usize {
                self as usize
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownWord;
            /// Reads the word in any case, with spaces or hyphens for underscores.
            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                let same = |word: &str| {
                    let text = text.trim().as_bytes();
                    text.len() == word.len()
                        && text.iter().zip(word.bytes()).all(|(a, b)| {
                            let a = if matches!(a, b' ' | b'-') { b'_' } else { a.to_ascii_uppercase() };
                            a == b
                        })
                };
                match () {
                    $(() if same($text) => Ok(Self::$variant),)*
                    () => Err(UnknownWord {
                        what: $what,
                        given: text.chars().take(48).collect(),
                        valid: &[$($text),*],
                    }),
                }
            }
        }
    )*};
}

/// A word that is not in its list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} `{given}`; one of {}", valid.join(", "))]
pub struct UnknownWord {
    /// Which list.
    pub what: &'static str,
    /// What was given, shortened.
    pub given: String,
    /// The list.
    pub valid: &'static [&'static str],
}

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

    /// A way to contact a lead that needs consent.
    ConsentChannel ("consent channel") {
        /// E-mail.
        Email = "EMAIL",
        /// Text message.
        Sms = "SMS",
        /// WhatsApp.
        Whatsapp = "WHATSAPP",
        /// Telephone.
        Voice = "VOICE",
        /// Sharing with ad platforms.
        Ads = "ADS",
    }

    /// What a consent is for.
    ConsentPurpose ("consent purpose") {
        /// Marketing messages.
        Marketing = "MARKETING",
        /// Messages that a contract or order needs.
        Transactional = "TRANSACTIONAL",
        /// Profiling and personalisation.
        Profiling = "PROFILING",
        /// Passing data on to third parties.
        ThirdParty = "THIRD_PARTY",
    }

    /// The state of a consent.
    ConsentState ("consent state") {
        /// Given.
        Granted = "GRANTED",
        /// Asked for, confirmation outstanding (double opt-in).
        Pending = "PENDING",
        /// Refused when asked.
        Denied = "DENIED",
        /// Given once and taken back.
        Withdrawn = "WITHDRAWN",
    }

    /// By what a lead is known.
    IdentityKind ("identity kind") {
        /// An e-mail address.
        Email = "EMAIL",
        /// A telephone number in E.164.
        Phone = "PHONE",
        /// An identifier of an import or an outside platform.
        External = "EXTERNAL",
    }

    /// The type of a custom field's values.
    CustomFieldType ("custom field type") {
        /// Text up to 2,000 characters.
        Text = "TEXT",
        /// A number.
        Number = "NUMBER",
        /// Yes or no.
        Boolean = "BOOLEAN",
        /// A day.
        Date = "DATE",
        /// A moment.
        DateTime = "DATE_TIME",
        /// One of the options.
        Select = "SELECT",
        /// Several of the options.
        MultiSelect = "MULTI_SELECT",
        /// A web address.
        Url = "URL",
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

    /// What happens to documents that are not in the manifest of expected ones.
    Safelist ("way to treat documents") {
        /// They are run.
        Off = "OFF",
        /// They are run, counted and logged.
        Log = "LOG",
        /// They are refused.
        Enforce = "ENFORCE",
    }

    /// The state of a job.
    JobState ("job state") {
        /// Waiting for a worker.
        Queued = "QUEUED",
        /// A worker is on it.
        Running = "RUNNING",
        /// Done.
        Succeeded = "SUCCEEDED",
        /// Ended with an error.
        Failed = "FAILED",
        /// Stopped on request.
        Cancelled = "CANCELLED",
    }

    /// What an event of the log says.
    EventKind ("event type") {
        /// A lead was created.
        LeadCreated = "LEAD_CREATED",
        /// Fields of a lead changed.
        LeadUpdated = "LEAD_UPDATED",
        /// A lead was deleted (it can be restored).
        LeadDeleted = "LEAD_DELETED",
        /// A deleted lead was restored.
        LeadRestored = "LEAD_RESTORED",
        /// A lead's personal data was erased.
        LeadErased = "LEAD_ERASED",
        /// A lead got or lost tags.
        LeadTagged = "LEAD_TAGGED",
        /// A note was added, changed or removed.
        NoteChanged = "NOTE_CHANGED",
        /// A consent was given, refused or withdrawn.
        ConsentChanged = "CONSENT_CHANGED",
        /// A tag was created, changed or removed.
        TagChanged = "TAG_CHANGED",
        /// A custom field was defined, changed or archived.
        CustomFieldChanged = "CUSTOM_FIELD_CHANGED",
        /// An engagement was recorded.
        EngagementRecorded = "ENGAGEMENT_RECORDED",
        /// The human confidence of an engagement changed.
        EngagementReweighed = "ENGAGEMENT_REWEIGHED",
        /// A conversion was recorded.
        ConversionRecorded = "CONVERSION_RECORDED",
        /// A part of a conversion was given back, or it was called off.
        ConversionReversed = "CONVERSION_REVERSED",
        /// A lead moved to another stage.
        StageChanged = "STAGE_CHANGED",
        /// A lead's score changed.
        ScoreChanged = "SCORE_CHANGED",
        /// A lead's temperature changed by decay.
        TemperatureChanged = "TEMPERATURE_CHANGED",
        /// A scoring model came into force.
        ScoreModelPublished = "SCORE_MODEL_PUBLISHED",
        /// A configuration object changed.
        SettingChanged = "SETTING_CHANGED",
        /// A job was queued, went on or ended.
        JobProgressed = "JOB_PROGRESSED",
        /// An API token was created.
        TokenCreated = "TOKEN_CREATED",
        /// An API token was changed or given a new secret.
        TokenChanged = "TOKEN_CHANGED",
        /// An API token was revoked.
        TokenRevoked = "TOKEN_REVOKED",
        /// A user was created.
        UserCreated = "USER_CREATED",
        /// A user, or the way they sign in, changed.
        UserChanged = "USER_CHANGED",
        /// A user was shut out or let in again.
        UserActivityChanged = "USER_ACTIVITY_CHANGED",
        /// A user signed in.
        SessionStarted = "SESSION_STARTED",
        /// A session was ended.
        SessionEnded = "SESSION_ENDED",
        /// A role was made, changed or removed.
        RoleChanged = "ROLE_CHANGED",
        /// Somebody was invited, or the invitation was taken back.
        InvitationChanged = "INVITATION_CHANGED",
        /// A key of the vault or of access tokens took the place of another.
        KeyRotated = "KEY_ROTATED",
        /// A connection to a platform was made, changed or removed, works again or no more.
        ConnectionChanged = "CONNECTION_CHANGED",
        /// A reading of a platform was begun, went on or ended.
        SyncProgressed = "SYNC_PROGRESSED",
        /// A webhook could not be processed, or could after all.
        WebhookChanged = "WEBHOOK_CHANGED",
        /// An order came or changed.
        OrderChanged = "ORDER_CHANGED",
        /// A checkout was abandoned, or finished after all.
        CheckoutChanged = "CHECKOUT_CHANGED",
        /// An audience was made, changed or removed, or a platform was told of it.
        AudienceChanged = "AUDIENCE_CHANGED",
        /// What is told of conversions to a platform was changed.
        ConversionSharingChanged = "CONVERSION_SHARING_CHANGED",
        /// A happening is to be told to a platform, was told, withheld or refused.
        ConversionDeliveryChanged = "CONVERSION_DELIVERY_CHANGED",
        /// A message was queued or came in, or something became of it.
        MessageChanged = "MESSAGE_CHANGED",
        /// An address is written to no more, or again.
        SuppressionChanged = "SUPPRESSION_CHANGED",
        /// A model wrote a text, or failed to.
        TextGenerated = "TEXT_GENERATED",
    }

    /// Where a generated text stands.
    TextState ("text state") {
        /// It is being written.
        Running = "RUNNING",
        /// It is there.
        Done = "DONE",
        /// It could not be written.
        Failed = "FAILED",
        /// It was cancelled before it was done.
        Cancelled = "CANCELLED",
    }

    /// Why a model stopped.
    TextFinish ("reason to stop writing") {
        /// It was done.
        Complete = "COMPLETE",
        /// It ran into the limit of tokens.
        Truncated = "TRUNCATED",
        /// It, or the platform, would not write it.
        Refused = "REFUSED",
        /// It wanted a tool, which it is never given.
        ToolCall = "TOOL_CALL",
    }

    /// Who said something to a model.
    TextRole ("role of a message") {
        /// Who asks.
        User = "USER",
        /// The model.
        Assistant = "ASSISTANT",
    }

    /// Whether a connection is used.
    ConnectionState ("connection state") {
        /// It waits for the owner's consent on the platform's page.
        Pending = "PENDING",
        /// It is used.
        Active = "ACTIVE",
        /// The platform does not accept its credentials.
        Unauthorised = "UNAUTHORISED",
        /// The owner has taken the consent back, or removed the app.
        Revoked = "REVOKED",
        /// It is switched off.
        Disabled = "DISABLED",
    }

    /// What can be read of a platform.
    SyncKind ("sync kind") {
        /// Leads that the platform collected.
        Leads = "LEADS",
        /// Customers of a shop.
        Customers = "CUSTOMERS",
        /// Products of a shop.
        Products = "PRODUCTS",
        /// Orders of a shop.
        Orders = "ORDERS",
        /// Checkouts that were not finished.
        AbandonedCheckouts = "ABANDONED_CHECKOUTS",
        /// What advertisements cost and brought, by day.
        AdResults = "AD_RESULTS",
    }

    /// Why a reading was begun.
    SyncCause ("sync cause") {
        /// Somebody asked for it.
        Manual = "MANUAL",
        /// Its time had come.
        Schedule = "SCHEDULE",
        /// The connection is new.
        First = "FIRST",
    }

    /// What an audience is made of.
    AudienceKind ("audience kind") {
        /// Leads for which a filter holds and who agreed to it.
        Custom = "CUSTOM",
        /// People of the platform who are like those of another audience.
        Lookalike = "LOOKALIKE",
    }

    /// Where an audience stands.
    AudienceState ("audience state") {
        /// The platform does not have it yet.
        Creating = "CREATING",
        /// The platform has it and was told of all its members.
        Ready = "READY",
        /// The platform is being told.
        Syncing = "SYNCING",
        /// The platform could not be told.
        Failing = "FAILING",
        /// It was removed.
        Deleted = "DELETED",
    }

    /// Whether the platform can use an audience.
    AudienceReadiness ("audience readiness") {
        /// It can.
        Ready = "READY",
        /// Not yet.
        Filling = "FILLING",
        /// Too few people were matched.
        TooSmall = "TOO_SMALL",
        /// The platform has stopped it.
        Blocked = "BLOCKED",
        /// The platform says something else.
        Other = "OTHER",
    }

    /// What a platform is asked for an audience.
    AudienceTask ("audience task") {
        /// To have it, with the members that belong into it.
        Sync = "SYNC",
        /// How large it is.
        Size = "SIZE",
        /// To remove it.
        Remove = "REMOVE",
    }

    /// Where a member of an audience stands.
    AudienceMemberState ("audience member state") {
        /// The platform is told, or may have been told and nobody wrote it down.
        Joining = "JOINING",
        /// The platform was told.
        In = "IN",
    }

    /// What became of a webhook.
    WebhookState ("webhook state") {
        /// It waits.
        Waiting = "WAITING",
        /// It was processed.
        Processed = "PROCESSED",
        /// There was nothing in it for us.
        Ignored = "IGNORED",
        /// It could not be processed; it can be replayed.
        Failed = "FAILED",
    }

    /// Whether an order is paid.
    PaymentState ("payment state") {
        /// Not yet.
        Pending = "PENDING",
        /// Set aside, not taken.
        Authorized = "AUTHORIZED",
        /// In part.
        PartiallyPaid = "PARTIALLY_PAID",
        /// In full.
        Paid = "PAID",
        /// A part was given back.
        PartiallyRefunded = "PARTIALLY_REFUNDED",
        /// All was given back.
        Refunded = "REFUNDED",
        /// It was called off before it was paid, or the time to pay ran out.
        Voided = "VOIDED",
        /// A state that is not known.
        Other = "OTHER",
    }

    /// What happens to a lead that can be told to a platform that shows advertisements.
    HappeningKind ("happening") {
        /// The lead became known.
        LeadCreated = "LEAD_CREATED",
        /// A conversion was recorded.
        Conversion = "CONVERSION",
        /// The lead came to a stage.
        StageReached = "STAGE_REACHED",
    }

    /// As what a happening is told; the platform has its own words for it.
    SharedAs ("name of a conversion") {
        /// Bought something.
        Purchase = "PURCHASE",
        /// Left their name.
        Lead = "LEAD",
        /// Signed up.
        CompleteRegistration = "COMPLETE_REGISTRATION",
        /// Made an appointment.
        Schedule = "SCHEDULE",
        /// Began to pay.
        Subscribe = "SUBSCRIBE",
        /// Came a step further in the sales pipeline.
        Stage = "STAGE",
        /// Something else, with a name of its own.
        Custom = "CUSTOM",
    }

    /// What to do where nobody knows whether a lead lets advertisers have their data.
    UnknownConsent ("way to treat unknown consent") {
        /// Nothing is told until the lead consents.
        Withhold = "WITHHOLD",
        /// It is told: no law of theirs wants consent. Who has said no is withheld all the same.
        NotRequired = "NOT_REQUIRED",
    }

    /// What became of a happening that is to be told to a platform.
    ConversionDeliveryState ("conversion delivery state") {
        /// It waits to be told.
        Pending = "PENDING",
        /// The platform has it.
        Sent = "SENT",
        /// The lead has not consented; it is told when they do, unless it is too old then.
        Withheld = "WITHHELD",
        /// The platform does not take it.
        Refused = "REFUSED",
        /// It was too old before it could be told.
        Expired = "EXPIRED",
        /// The platform failed as often as is sensible.
        Failed = "FAILED",
        /// It is not to be told any more: called off, given back, switched off, or the lead is gone.
        Cancelled = "CANCELLED",
    }

    /// By what results of advertisements are broken down.
    AdLevel ("level of advertisements") {
        /// The account as a whole.
        Account = "ACCOUNT",
        /// Campaigns.
        Campaign = "CAMPAIGN",
        /// Groups of advertisements.
        AdGroup = "AD_GROUP",
        /// Advertisements.
        Ad = "AD",
    }

    /// What a message goes by.
    MessageChannel ("message channel") {
        /// E-mail.
        Email = "EMAIL",
        /// Text message.
        Sms = "SMS",
        /// WhatsApp.
        Whatsapp = "WHATSAPP",
        /// A call that reads a text out.
        Voice = "VOICE",
    }

    /// Which way a message goes.
    MessageDirection ("message direction") {
        /// From us.
        Outbound = "OUTBOUND",
        /// To us.
        Inbound = "INBOUND",
    }

    /// What a message is for.
    MessagePurpose ("message purpose") {
        /// To win somebody: needs consent that was given.
        Marketing = "MARKETING",
        /// What a contract or order needs: goes unless it was refused.
        Transactional = "TRANSACTIONAL",
    }

    /// What has become of a message. It never goes back: what is told late changes nothing.
    MessageState ("message state") {
        /// It waits to be handed over.
        Queued = "QUEUED",
        /// It is being handed over.
        Sending = "SENDING",
        /// It is not known whether the platform took it. It is never sent again by itself.
        Unknown = "UNKNOWN",
        /// The platform has it.
        Sent = "SENT",
        /// The platform tries again by itself.
        Deferred = "DEFERRED",
        /// It was not sent, or not delivered.
        Failed = "FAILED",
        /// It was refused there: content, reputation or policy.
        Blocked = "BLOCKED",
        /// It has arrived.
        Delivered = "DELIVERED",
        /// It came back for good.
        Bounced = "BOUNCED",
        /// It came in.
        Received = "RECEIVED",
    }

    /// Something that became of a message.
    MessageStep ("message step") {
        /// It was queued, or queued again.
        Queued = "QUEUED",
        /// It was about to be handed over.
        Sending = "SENDING",
        /// It became unknown whether the platform took it.
        Unknown = "UNKNOWN",
        /// The platform took it.
        Sent = "SENT",
        /// The platform tries again by itself.
        Deferred = "DEFERRED",
        /// It was not sent, or not delivered.
        Failed = "FAILED",
        /// It was refused there.
        Blocked = "BLOCKED",
        /// It arrived.
        Delivered = "DELIVERED",
        /// It came back for good.
        Bounced = "BOUNCED",
        /// It came in.
        Received = "RECEIVED",
        /// It was looked at.
        Opened = "OPENED",
        /// A link in it was followed.
        Clicked = "CLICKED",
        /// The recipient called it spam.
        Complained = "COMPLAINED",
        /// The recipient wants no more of it.
        Unsubscribed = "UNSUBSCRIBED",
        /// The recipient wants it again.
        Resubscribed = "RESUBSCRIBED",
        /// It was answered.
        Replied = "REPLIED",
    }

    /// Why an address is not written to.
    SuppressionReason ("suppression reason") {
        /// A mail to it came back for good.
        HardBounce = "HARD_BOUNCE",
        /// The recipient called a mail spam.
        Complaint = "COMPLAINT",
        /// The recipient unsubscribed: no marketing.
        Unsubscribed = "UNSUBSCRIBED",
        /// The recipient asked to be written to no more.
        Stop = "STOP",
        /// Somebody of ours said so.
        Manual = "MANUAL",
    }

    /// Why a session was ended.
    EndReason ("end reason") {
        /// The user signed out.
        SignedOut = "SIGNED_OUT",
        /// The user or an administrator revoked it.
        Revoked = "REVOKED",
        /// A refresh token that had been used came back: somebody else may have it.
        Reused = "REUSED",
        /// The password changed.
        PasswordChanged = "PASSWORD_CHANGED",
        /// The user was deactivated.
        Deactivated = "DEACTIVATED",
    }

    /// What a code is good for.
    CodePurpose ("code purpose") {
        /// To make the first user.
        SetUp = "SET_UP",
        /// To show that an e-mail address is one's own.
        EmailVerify = "EMAIL_VERIFY",
        /// To choose a new password.
        PasswordReset = "PASSWORD_RESET",
        /// To go on with a sign-in by the second factor.
        SecondFactor = "SECOND_FACTOR",
        /// To come back from an OpenID Connect provider.
        OpenId = "OPEN_ID",
        /// To come back from a platform's page of consent.
        Platform = "PLATFORM",
    }

    /// What signs access tokens.
    SigningAlgorithm ("signing algorithm") {
        /// Ed25519: others can check tokens without being able to make them.
        EdDsa = "EDDSA",
        /// HMAC with SHA-256.
        Hs256 = "HS256",
    }

    /// How far a mail is.
    MailState ("mail state") {
        /// It stays in the outbox: no mail server is set.
        Kept = "KEPT",
        /// It waits to be sent.
        Waiting = "WAITING",
        /// The mail server took it.
        Sent = "SENT",
        /// It was given up.
        Failed = "FAILED",
    }

    /// A part of the API that a scope opens.
    Area ("area") {
        /// Leads with their tags, notes, consents, custom fields, imports and exports.
        Leads = "LEADS",
        /// Engagements and conversions.
        Engagement = "ENGAGEMENT",
        /// Stages and their history.
        Lifecycle = "LIFECYCLE",
        /// Scores and scoring models.
        Scoring = "SCORING",
        /// Journeys and activity summaries.
        Journeys = "JOURNEYS",
        /// The event log.
        Events = "EVENTS",
        /// Background jobs.
        Jobs = "JOBS",
        /// Settings of the deployment.
        Settings = "SETTINGS",
        /// Users, their sessions, invitations and roles.
        Users = "USERS",
        /// API tokens.
        Tokens = "TOKENS",
        /// The audit log.
        Audit = "AUDIT",
        /// Connections to outside platforms, their syncs and webhooks.
        Connections = "CONNECTIONS",
        /// Shops, orders, products and abandoned checkouts.
        Commerce = "COMMERCE",
        /// Audiences for advertisements.
        Audiences = "AUDIENCES",
        /// Messages to leads and from them, and who is not written to.
        Messages = "MESSAGES",
        /// Texts that models write, what they cost and what may be spent.
        Content = "CONTENT",
    }

    /// Who did something.
    ActorKind ("actor kind") {
        /// A user.
        User = "USER",
        /// An API token.
        Token = "TOKEN",
        /// The command line of the deployment.
        Operator = "OPERATOR",
        /// Leadline itself: an automatic move, a worker.
        System = "SYSTEM",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_in_any_case_and_an_unknown_one_lists_the_valid_ones() {
        assert_eq!("in person".parse(), Ok(Channel::InPerson));
        assert_eq!("email-opened".parse(), Ok(EngagementType::EmailOpened));
        let error = "fax".parse::<Device>().expect_err("no such device").to_string();
        assert_eq!(
            error,
            "unknown device `fax`; one of DESKTOP, MOBILE, TABLET, OTHER"
        );
        assert_eq!(EngagementType::ALL.len(), 27);
        for stage in Stage::ALL {
            assert_eq!(Stage::ALL[stage.index()], *stage);
        }
    }
}
