//! The words of who may do what.

vocabulary! {
    /// What happens to documents that are not in the manifest of expected ones.
    Safelist ("way to treat documents") {
        /// They are run.
        Off = "OFF",
        /// They are run, counted and logged.
        Log = "LOG",
        /// They are refused.
        Enforce = "ENFORCE",
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
        /// Costs, rates of exchange and what is earned.
        Revenue = "REVENUE",
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
