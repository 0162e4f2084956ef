//! TwiML: what Twilio is to do in a call, and the answer to its webhooks.

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use crate::{Error, Result};

/// How long TwiML within a request may be, in characters.
const LONGEST: usize = 4000;

/// The answer that has nothing done.
pub const NOTHING: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response/>";

/// A call that reads a text out and ends.
///
/// # Errors
/// [`Kind::Refused`](crate::Kind::Refused) where there is nothing to say, or it is too long.
pub fn say(text: &str, language: Option<&str>, voice: Option<&str>) -> Result<String> {
    let text = readable(text);
    if text.trim().is_empty() {
        return Err(Error::refused("a call needs a text to read out"));
    }
    let attributes = [("voice", voice), ("language", language)]
        .into_iter()
        .filter_map(|(name, value)| Some((name, readable(value?))));
    let mut writer = Writer::new(Vec::new());
    let written = writer
        .write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))
        .and_then(|()| {
            writer.create_element("Response").write_inner_content(|writer| {
                attributes
                    .fold(writer.create_element("Say"), |say, (name, value)| {
                        say.with_attribute((name, value.as_str()))
                    })
                    .write_text_content(BytesText::new(&text))
                    .map(drop)
            })
        })
        .map(drop);
    let twiml = written
        .map_err(|error| error.to_string())
        .and_then(|()| String::from_utf8(writer.into_inner()).map_err(|error| error.to_string()))
        .map_err(|error| Error::refused(format!("the call cannot be written as TwiML: {error}")))?;
    let length = twiml.chars().count();
    if length > LONGEST {
        return Err(Error::refused(format!(
            "the call takes {length} characters of TwiML, and Twilio takes {LONGEST}: shorten the text"
        )));
    }
    Ok(twiml)
}

/// Without the characters that XML cannot say at all.
fn readable(text: &str) -> String {
    text.chars()
        .filter(|character| {
            matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn what_is_said_cannot_leave_its_element() {
        let twiml = say(
            "Tom & \"Lea\"</Say><Dial>+1900</Dial>\u{0}\u{1f}",
            Some("en-GB\" loop=\"9"),
            Some("Polly.Amy"),
        );
        assert_eq!(
            twiml.unwrap(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Say voice=\"Polly.Amy\" \
             language=\"en-GB&quot; loop=&quot;9\">Tom &amp; &quot;Lea&quot;&lt;/Say&gt;&lt;Dial&gt;+1900&lt;/Dial&gt;\
             </Say></Response>"
        );
    }

    #[test]
    fn nothing_and_too_much_are_refused_before_anything_is_sent() {
        assert_eq!(say(" \u{0} ", None, None).unwrap_err().kind, Kind::Refused);
        assert!(say(&"a".repeat(3900), None, None).is_ok_and(|twiml| twiml.len() <= LONGEST));
        let error = say(&"&".repeat(1000), None, None).unwrap_err();
        assert!(error.message.contains("Twilio takes 4000"), "{error}");
    }
}
