//! The words of leads: consents, identities, fields.

vocabulary! {
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
}
