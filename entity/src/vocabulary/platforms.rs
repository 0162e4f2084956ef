//! The words of outside platforms.

vocabulary! {
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
}
