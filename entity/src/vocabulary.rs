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
