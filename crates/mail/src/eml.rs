//! From a message to the bytes that travel.

use axum_users_core::Message;
use lettre::{
    Address,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue},
    },
};
use uuid::Uuid;

use crate::MailError;

/// Builds the mail, with everything in it encoded.
///
/// # Errors
/// A permanent [`MailError`] for a recipient or a subject that could change the headers of the mail.
pub(crate) fn build(from: &Mailbox, message: &Message) -> Result<lettre::Message, MailError> {
    let to = recipient(&message.to)?;
    if message.subject.contains(char::is_control) {
        return Err(MailError::permanent("subject"));
    }
    let id = format!("<{}@{}>", Uuid::new_v4(), ascii_domain(from.email.domain())?);
    let builder = lettre::Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(message.subject.as_str())
        .message_id(Some(id))
        // Keeps out-of-office programs from answering (RFC 3834, 5).
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ));
    let text = part(ContentType::TEXT_PLAIN, &message.text);
    let built = match &message.html {
        Some(html) => builder.multipart(
            MultiPart::alternative()
                .singlepart(text)
                .singlepart(part(ContentType::TEXT_HTML, html)),
        ),
        None => builder.singlepart(text),
    };
    built.map_err(|_| MailError::permanent("message"))
}

/// Always encoded: in a body sent as it is, a lone line end before a dot ends the mail and begins an SMTP command
/// (RUSTSEC-2026-0561).
fn part(content_type: ContentType, body: &str) -> SinglePart {
    SinglePart::builder()
        .header(content_type)
        .header(ContentTransferEncoding::QuotedPrintable)
        .body(body.replace("\r\n", "\n").replace('\r', "\n"))
}

/// One plain address: no list, no route, no comment, no quotes, no line end.
fn recipient(address: &str) -> Result<Address, MailError> {
    let unfit = MailError::permanent("address");
    let special = |c: char| {
        c.is_control()
            || c.is_whitespace()
            || matches!(
                c,
                '<' | '>' | '(' | ')' | '[' | ']' | '"' | '\\' | ',' | ';' | ':'
            )
    };
    if address.contains(special) {
        return Err(unfit);
    }
    let (local, domain) = address.rsplit_once('@').ok_or(unfit)?;
    if local.contains('@') {
        return Err(unfit);
    }
    Address::new(local, ascii_domain(domain)?).map_err(|_| unfit)
}

/// In letters that every mail server knows: only the part before the `@` asks for `SMTPUTF8`.
fn ascii_domain(domain: &str) -> Result<String, MailError> {
    idna::domain_to_ascii(domain).map_err(|_| MailError::permanent("address"))
}

#[cfg(test)]
mod tests {
    use axum_users_core::MessageKind;
    use mailparse::MailHeaderMap;

    use super::*;

    fn from() -> Mailbox {
        "Example <no-reply@example.com>".parse().unwrap()
    }

    fn message(to: &str) -> Message {
        Message::new(MessageKind::Verify, to, "Hello", "text").with_html("<p>html</p>")
    }

    #[test]
    fn both_parts_and_the_headers_are_there() {
        let message = Message::new(
            MessageKind::Verify,
            "ada@example.com",
            "Grüße 😀",
            "Schöne\nGrüße",
        )
        .with_html("<p>Schöne Grüße</p>");
        let bytes = build(&from(), &message).unwrap().formatted();
        assert!(bytes.is_ascii());
        let mail = mailparse::parse_mail(&bytes).unwrap();
        let header = |name| mail.headers.get_first_value(name).unwrap();
        assert_eq!(header("To"), "ada@example.com");
        assert_eq!(header("Subject"), "Grüße 😀");
        assert_eq!(header("Auto-Submitted"), "auto-generated");
        assert!(header("From").contains("<no-reply@example.com>"));
        assert!(header("Message-ID").ends_with("@example.com>"));
        assert_eq!(mail.ctype.mimetype, "multipart/alternative");
        assert_eq!(mail.subparts[0].ctype.mimetype, "text/plain");
        assert_eq!(mail.subparts[0].get_body().unwrap(), "Schöne\r\nGrüße");
        assert_eq!(mail.subparts[1].ctype.mimetype, "text/html");
        assert!(mail.subparts[1].get_body().unwrap().contains("Schöne Grüße"));
    }

    #[test]
    fn no_recipient_can_add_headers_or_recipients() {
        for to in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@example.com\r\nBcc: eve@evil.example",
            "ada@example.com\nBcc: eve@evil.example",
            "ada@example.com\rX: y",
            "ada@example.com\u{2028}Bcc: eve@evil.example",
            "ada@example.com,eve@evil.example",
            "ada@example.com;eve@evil.example",
            "ada@example.com eve@evil.example",
            "Ada <ada@example.com>",
            "ada@example.com> SIZE=1",
            "<ada@example.com>",
            "\"ada\r\n\"@example.com",
            "\"ada@evil.example> \"@example.com",
            "ada(comment)@example.com",
            "@evil.example:ada@example.com",
            "eve@evil.example@example.com",
            "ada@[127.0.0.1]",
            "ada@example.com\0",
        ] {
            let error = build(&from(), &message(to)).unwrap_err();
            assert!(error.is_permanent(), "{to:?}");
            assert_eq!(error.class(), "address");
        }
    }

    #[test]
    fn no_subject_can_add_headers() {
        for subject in ["a\r\nBcc: b", "a\nb", "a\rb", "a\0b", "a\u{85}b"] {
            let message = Message::new(MessageKind::Other, "ada@example.com", subject, "text");
            assert_eq!(build(&from(), &message).unwrap_err().class(), "subject");
        }
        let odd = Message::new(
            MessageKind::Other,
            "ada@example.com",
            "a\u{2028}Bcc: b@c.d",
            "text",
        );
        let bytes = build(&from(), &odd).unwrap().formatted();
        let mail = mailparse::parse_mail(&bytes).unwrap();
        assert!(mail.headers.get_first_value("Bcc").is_none());
    }

    #[test]
    fn no_body_leaves_a_lone_line_end_on_the_way() {
        for body in [
            "a\n.\nMAIL FROM:<eve@evil.example>\n",
            "a\r.\rMAIL FROM:<eve@evil.example>\r",
            "a\r\n.\r\nMAIL FROM:<eve@evil.example>\r\n",
            "\n.\r",
            "\r\r\n\n.",
        ] {
            let message = Message::new(MessageKind::Other, "ada@example.com", "s", body).with_html(body);
            let bytes = build(&from(), &message).unwrap().formatted();
            for (at, byte) in bytes.iter().enumerate() {
                match byte {
                    b'\r' => assert_eq!(bytes.get(at + 1), Some(&b'\n'), "{body:?}"),
                    b'\n' => assert_eq!(bytes[at - 1], b'\r', "{body:?}"),
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn domain_of_other_letters_travels_in_ascii() {
        let mail = build(&from(), &message("ada@bücher.example")).unwrap();
        assert_eq!(mail.envelope().to()[0].to_string(), "ada@xn--bcher-kva.example");
    }
}
