//! The words of the event log and of jobs.

vocabulary! {
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
        /// What conversions are worth in the currency of the reports was told anew: those after an id, up to another.
        ConversionsRevalued = "CONVERSIONS_REVALUED",
        /// A deal was opened, changed, moved to another stage, won, lost or opened again.
        DealChanged = "DEAL_CHANGED",
        /// Settings of attribution were made, or came into force.
        AttributionChanged = "ATTRIBUTION_CHANGED",
        /// A cost was recorded, changed or taken back.
        CostChanged = "COST_CHANGED",
        /// Rates of exchange or the reporting currency changed.
        RatesChanged = "RATES_CHANGED",
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
}
