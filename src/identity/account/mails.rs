//! What the mails say.

use entity::CodePurpose;

use crate::identity::code;
use crate::identity::mail::NewMail;

/// Where links lead, under the address of the server.
#[derive(Clone, Copy, Debug)]
pub(super) enum Page {
    Invitation,
    PasswordReset,
    EmailVerify,
}

/// The link of a page with its code. Behind the `#`, the code reaches no server's log and no `Referer`.
pub(super) fn link(public_url: &str, page: Page, code: &str) -> String {
    let name = match page {
        Page::Invitation => "invitation",
        Page::PasswordReset => "password-reset",
        Page::EmailVerify => "email-verify",
    };
    format!("{public_url}/account#{name}={code}")
}

fn lasts(seconds: i64) -> String {
    match seconds {
        0..=3_600 => format!("{} minutes", seconds / 60),
        3_601..=172_800 => format!("{} hours", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

pub(super) fn invitation(recipient: &str, link: &str, seconds: i64) -> NewMail {
    NewMail {
        recipient: recipient.to_owned(),
        subject: "You are invited to Leadline".to_owned(),
        body: format!(
            "Hello,\n\nyou are invited to use Leadline. Choose your password here:\n\n{link}\n\nThe link is good once, \
             for {}. If you did not expect it, do nothing.\n",
            lasts(seconds)
        ),
    }
}

pub(super) fn password_reset(recipient: &str, link: &str) -> NewMail {
    NewMail {
        recipient: recipient.to_owned(),
        subject: "Choose a new password".to_owned(),
        body: format!(
            "Hello,\n\nsomebody, probably you, asked for a new password. Choose it here:\n\n{link}\n\nThe link is good \
             once, for {}. If it was not you, do nothing: your password stays as it is.\n",
            lasts(code::seconds(CodePurpose::PasswordReset))
        ),
    }
}

pub(super) fn email_verify(recipient: &str, link: &str) -> NewMail {
    NewMail {
        recipient: recipient.to_owned(),
        subject: "Is this your address?".to_owned(),
        body: format!(
            "Hello,\n\nsomebody, probably you, signed up to Leadline with this address. Confirm that it is yours:\n\n\
             {link}\n\nThe link is good once, for {}. If it was not you, do nothing.\n",
            lasts(code::seconds(CodePurpose::EmailVerify))
        ),
    }
}

/// To who signs up with an address that has a user: the page says the same to everybody.
pub(super) fn known_already(recipient: &str, public_url: &str) -> NewMail {
    NewMail {
        recipient: recipient.to_owned(),
        subject: "You have an account already".to_owned(),
        body: format!(
            "Hello,\n\nsomebody, probably you, signed up to Leadline with this address, which has an account already. Sign \
             in at {public_url}, or ask there for a new password. If it was not you, do nothing.\n"
        ),
    }
}

pub(super) fn password_changed(recipient: &str) -> NewMail {
    NewMail {
        recipient: recipient.to_owned(),
        subject: "Your password was changed".to_owned(),
        body: "Hello,\n\nyour password was changed, and you were signed out everywhere else. If it was not you, ask for a \
               new password at once.\n"
            .to_owned(),
    }
}
