//! The words of messages.

vocabulary! {
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
}
