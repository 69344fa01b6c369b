//! What mails say.

use std::{collections::BTreeMap, fmt, time::Duration};

use axum_users_core::{MessageKind, SetupError};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};

const SAMPLE_TOKEN: &str = "SAMPLETOKEN";
const WRITTEN: [MessageKind; 7] = [
    MessageKind::Verify,
    MessageKind::ResetPassword,
    MessageKind::ConfirmEmailChange,
    MessageKind::UndoEmailChange,
    MessageKind::EmailChanged,
    MessageKind::PasswordChanged,
    MessageKind::AlreadyRegistered,
];

/// Whether a mail of this kind carries a link.
const fn has_link(kind: MessageKind) -> bool {
    !matches!(kind, MessageKind::EmailChanged | MessageKind::PasswordChanged)
}

/// How long the link of a mail works by default, in minutes.
const fn default_minutes(kind: MessageKind) -> u64 {
    match kind {
        MessageKind::UndoEmailChange | MessageKind::EmailChanged => 7 * 24 * 60,
        _ => 60,
    }
}

/// The text of one mail: subject, plain text, and HTML where wanted, in the language of Jinja.
///
/// These variables can be used in each of them:
///
/// | variable | what it is |
/// | --- | --- |
/// | `link` | the link with the token; not in `EmailChanged` and `PasswordChanged`, which carry none |
/// | `email` | the address that the mail goes to |
/// | `app_name` | the name of the application |
/// | `lifetime` | how long the link works, in English: `1 hour`, `30 minutes` |
/// | `minutes` | how long the link works, in minutes |
/// | `hours` | how long the link works, in whole hours, rounded down |
///
/// In `EmailChanged` the times are those of the link that undoes the change, which was mailed before.
///
/// ```
/// use axum_users_core::MessageKind;
/// use axum_users_mail::{MailTemplate, Templates};
///
/// let german = MailTemplate::new("Ihr Passwort", "Hier geht es weiter: {{ link }}\n");
/// let templates = Templates::new("Camelot").for_locale("de", MessageKind::ResetPassword, german);
/// # let _ = templates;
/// ```
///
/// # Security
/// In the HTML part every value is escaped. Do not mark one as `safe`.
#[derive(Debug, Clone)]
#[must_use]
pub struct MailTemplate {
    subject: String,
    text: String,
    html: Option<String>,
}

impl MailTemplate {
    /// A mail of plain text.
    pub fn new(subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            text: text.into(),
            html: None,
        }
    }

    /// Adds an HTML part, which most mail programs show instead of the text.
    pub fn with_html(mut self, html: impl Into<String>) -> Self {
        self.html = Some(html.into());
        self
    }

    fn default_of(kind: MessageKind) -> Self {
        macro_rules! mail {
            ($name:literal, $subject:literal) => {
                Self::new($subject, include_str!(concat!("templates/", $name, ".txt")))
                    .with_html(include_str!(concat!("templates/", $name, ".html")))
            };
        }
        match kind {
            MessageKind::ResetPassword => mail!("reset_password", "Set a new password for {{ app_name }}"),
            MessageKind::ConfirmEmailChange => {
                mail!(
                    "confirm_email_change",
                    "Confirm your new e-mail address for {{ app_name }}"
                )
            }
            MessageKind::UndoEmailChange => {
                mail!(
                    "undo_email_change",
                    "Your e-mail address for {{ app_name }} is to change"
                )
            }
            MessageKind::EmailChanged => {
                mail!(
                    "email_changed",
                    "Your e-mail address for {{ app_name }} has changed"
                )
            }
            MessageKind::PasswordChanged => {
                mail!("password_changed", "Your password for {{ app_name }} has changed")
            }
            MessageKind::AlreadyRegistered => {
                mail!(
                    "already_registered",
                    "You have an account for {{ app_name }} already"
                )
            }
            _ => mail!("verify", "Confirm your e-mail address for {{ app_name }}"),
        }
    }
}

/// The texts of all mails: short English ones to begin with, each replaceable, for each language.
///
/// ```
/// use axum_users_core::MessageKind;
/// use axum_users_mail::{MailTemplate, Templates};
///
/// let templates = Templates::new("Example").for_locale(
///     "de",
///     MessageKind::Verify,
///     MailTemplate::new(
///         "Bitte bestätige deine Adresse",
///         "Hallo,\n\nbitte öffne {{ link }}\n\nDer Link gilt {{ minutes }} Minuten.\n",
///     ),
/// );
/// # let _ = templates;
/// ```
///
/// They are checked when they are handed to [`MailHooks`](crate::MailHooks): a text that does not parse, uses a variable that
/// does not exist or leaves out the link is found when the application starts.
#[derive(Debug, Clone)]
#[must_use]
pub struct Templates {
    app_name: String,
    lifetimes: BTreeMap<&'static str, Duration>,
    mails: Vec<(Option<String>, MessageKind, MailTemplate)>,
}

impl Templates {
    /// The texts that come with the library, in the name of this application.
    pub fn new(app_name: impl Into<String>) -> Self {
        Self {
            app_name: app_name.into(),
            lifetimes: BTreeMap::new(),
            mails: Vec::new(),
        }
    }

    /// Replaces the text of one kind of mail, for people of whose language there is none.
    pub fn replace(mut self, kind: MessageKind, mail: MailTemplate) -> Self {
        self.mails.push((None, kind, mail));
        self
    }

    /// Adds the text of one kind of mail in a language: `de` also serves `de-AT`, where that has none of its own.
    pub fn for_locale(mut self, locale: impl Into<String>, kind: MessageKind, mail: MailTemplate) -> Self {
        let locale = locale.into().to_ascii_lowercase();
        self.mails.push((Some(locale), kind, mail));
        self
    }

    /// How long the links of one kind of mail work, as the mail says it; an hour by default.
    ///
    /// This changes the words only: the lifetime itself is a setting of the user manager.
    pub fn lifetime(mut self, kind: MessageKind, lifetime: Duration) -> Self {
        self.lifetimes.insert(kind.as_str(), lifetime);
        self
    }

    pub(crate) fn check(&self) -> Result<CheckedTemplates, SetupError> {
        if self.app_name.trim().is_empty() || self.app_name.contains(char::is_control) {
            return Err(SetupError::Invalid(
                "the name of the application in mails must not be empty or hold line ends".into(),
            ));
        }
        let mut checked = CheckedTemplates {
            environment: environment(),
            app_name: self.app_name.clone(),
            lifetimes: self.lifetimes.clone(),
        };
        for kind in WRITTEN {
            checked.add(None, kind, MailTemplate::default_of(kind))?;
        }
        for (locale, kind, mail) in &self.mails {
            if !WRITTEN.contains(kind) {
                return Err(SetupError::Invalid(format!(
                    "mails of the kind `{}` are the application's own and have no template",
                    kind.as_str()
                )));
            }
            checked.add(locale.as_deref(), *kind, mail.clone())?;
        }
        Ok(checked)
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|name| {
        if name.ends_with(Part::Html.as_str()) {
            AutoEscape::Html
        } else {
            AutoEscape::None
        }
    });
    environment
}

#[derive(Debug, Clone, Copy)]
enum Part {
    Subject,
    Text,
    Html,
}

impl Part {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Text => "text",
            Self::Html => "html",
        }
    }
}

fn name(locale: Option<&str>, kind: MessageKind, part: Part) -> String {
    let locale = locale.unwrap_or("default");
    format!("{}/{locale}/{}", kind.as_str(), part.as_str())
}

/// A mail with all values filled in.
pub(crate) struct Rendered {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: Option<String>,
}

/// What a template is filled in with.
#[derive(Clone, Copy)]
pub(crate) struct Values<'a> {
    /// `None` for a mail that carries none.
    pub(crate) link: Option<&'a str>,
    pub(crate) email: &'a str,
}

pub(crate) struct CheckedTemplates {
    environment: Environment<'static>,
    app_name: String,
    lifetimes: BTreeMap<&'static str, Duration>,
}

impl fmt::Debug for CheckedTemplates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckedTemplates").finish_non_exhaustive()
    }
}

impl CheckedTemplates {
    fn add(&mut self, locale: Option<&str>, kind: MessageKind, mail: MailTemplate) -> Result<(), SetupError> {
        let invalid = |part: Part, why: &dyn fmt::Display| {
            SetupError::Invalid(format!("the mail template {}: {why}", name(locale, kind, part)))
        };
        let parts = [
            (Part::Subject, Some(mail.subject)),
            (Part::Text, Some(mail.text)),
            (Part::Html, mail.html),
        ];
        for (part, source) in parts {
            let name = name(locale, kind, part);
            match source {
                Some(source) => self
                    .environment
                    .add_template_owned(name, source)
                    .map_err(|error| invalid(part, &error))?,
                None => self.environment.remove_template(&name),
            }
        }
        let link = format!("https://app.example.com/#token={SAMPLE_TOKEN}");
        let sample = Values {
            link: has_link(kind).then_some(&link),
            email: "someone@example.com",
        };
        for part in [Part::Subject, Part::Text, Part::Html] {
            let Some(text) = self
                .part(locale, kind, part, sample)
                .map_err(|error| invalid(part, &error))?
            else {
                continue;
            };
            if text.trim().is_empty() {
                return Err(invalid(part, &"is empty"));
            }
            let is_to_show = has_link(kind) && !matches!(part, Part::Subject);
            if text.contains(SAMPLE_TOKEN) != is_to_show {
                return Err(match part {
                    Part::Subject => invalid(part, &"must not show the link"),
                    _ => invalid(part, &"must show the link: {{ link }}"),
                });
            }
        }
        Ok(())
    }

    /// Writes a mail in the language that is nearest to `locale`.
    pub(crate) fn render(
        &self,
        locale: Option<&str>,
        kind: MessageKind,
        values: Values<'_>,
    ) -> Result<Rendered, minijinja::Error> {
        let locale = self.nearest(locale, kind);
        let locale = locale.as_deref();
        let part = |part| self.part(locale, kind, part, values);
        let subject = part(Part::Subject)?.unwrap_or_default();
        Ok(Rendered {
            subject: subject.split_whitespace().collect::<Vec<_>>().join(" "),
            text: part(Part::Text)?.unwrap_or_default(),
            html: part(Part::Html)?,
        })
    }

    fn nearest(&self, locale: Option<&str>, kind: MessageKind) -> Option<String> {
        // As long as a language tag need be (RFC 5646, 4.4.1): the header of a request may hold anything.
        let mut locale = locale.filter(|tag| tag.len() <= 35)?.to_ascii_lowercase();
        loop {
            let subject = name(Some(&locale), kind, Part::Subject);
            if self.environment.get_template(&subject).is_ok() {
                return Some(locale);
            }
            locale.truncate(locale.rfind(['-', '_'])?);
        }
    }

    fn part(
        &self,
        locale: Option<&str>,
        kind: MessageKind,
        part: Part,
        values: Values<'_>,
    ) -> Result<Option<String>, minijinja::Error> {
        let Ok(template) = self.environment.get_template(&name(locale, kind, part)) else {
            return Ok(None);
        };
        let lifetime = self.lifetimes.get(kind.as_str());
        let minutes = lifetime.map_or(default_minutes(kind), |lifetime| lifetime.as_secs().div_ceil(60));
        // Absent, not empty: a text that shows a link where there is none is found at start-up.
        let link = values.link.map_or_else(|| context! {}, |link| context! { link });
        let text = template.render(context! {
            ..link,
            ..context! {
            email => values.email,
            app_name => self.app_name.as_str(),
            lifetime => in_words(minutes),
            minutes => minutes,
            hours => minutes / 60,
            }
        })?;
        Ok(Some(text))
    }
}

fn in_words(minutes: u64) -> String {
    let (number, unit) = match minutes {
        days if days > 24 * 60 && days % (24 * 60) == 0 => (days / (24 * 60), "day"),
        whole if whole >= 60 && whole % 60 == 0 => (whole / 60, "hour"),
        other => (other, "minute"),
    };
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{s}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: Values<'_> = Values {
        link: Some("https://app.example.com/verify#token=abc"),
        email: "ada@example.com",
    };

    fn refused(templates: &Templates) -> String {
        templates.check().unwrap_err().to_string()
    }

    #[test]
    fn defaults_name_app_address_link_and_lifetime() {
        let templates = Templates::new("Example")
            .lifetime(MessageKind::ResetPassword, Duration::from_mins(30))
            .check()
            .unwrap();
        for (kind, lifetime) in [
            (MessageKind::Verify, "1 hour"),
            (MessageKind::ResetPassword, "30 minutes"),
        ] {
            let mail = templates.render(None, kind, VALUES).unwrap();
            assert!(mail.subject.contains("Example"));
            assert!(mail.text.contains(VALUES.link.unwrap()));
            let html = mail.html.unwrap();
            assert!(html.starts_with("<!doctype html>\n<html lang=\"en\">"));
            for body in [&mail.text, &html] {
                assert!(body.contains("Example"));
                assert!(body.contains("ada@example.com"));
                assert!(body.contains(lifetime));
                assert!(!body.contains("{{"));
            }
        }
    }

    #[test]
    fn html_part_is_escaped_and_text_is_not() {
        let evil = "Tom & <script>alert(1)</script>";
        let templates = Templates::new(evil).check().unwrap();
        let values = Values {
            email: "\"><img src=x onerror=alert(1)>@example.com",
            ..VALUES
        };
        for kind in WRITTEN {
            let link = values.link.filter(|_| has_link(kind));
            let mail = templates.render(None, kind, Values { link, ..values }).unwrap();
            let html = mail.html.unwrap();
            assert!(!html.contains("<script") && !html.contains("<img"));
            assert!(html.contains("Tom &amp; &lt;script&gt;"));
            assert!(mail.text.contains(evil));
        }
    }

    #[test]
    fn nearest_language_is_taken() {
        let mail = |words: &str| MailTemplate::new(words, "{{ link }}");
        let templates = Templates::new("Example")
            .for_locale("de", MessageKind::Verify, mail("hallo"))
            .for_locale("de-AT", MessageKind::Verify, mail("servus"))
            .check()
            .unwrap();
        let subject = |locale: Option<&str>| {
            let mail = templates.render(locale, MessageKind::Verify, VALUES);
            mail.unwrap().subject
        };
        assert_eq!(subject(Some("de")), "hallo");
        assert_eq!(subject(Some("DE-ch")), "hallo");
        assert_eq!(subject(Some("de-at")), "servus");
        for other in [None, Some("fr"), Some(""), Some("../default"), Some("d")] {
            assert!(subject(other).starts_with("Confirm"), "{other:?}");
        }
        let reset = templates.render(Some("de"), MessageKind::ResetPassword, VALUES);
        assert!(reset.unwrap().subject.starts_with("Set a new password"));
    }

    #[test]
    fn replaced_text_without_html_has_none() {
        let templates = Templates::new("Example")
            .replace(
                MessageKind::Verify,
                MailTemplate::new("s", "{{ link }} {{ hours }} h"),
            )
            .check()
            .unwrap();
        let mail = templates.render(None, MessageKind::Verify, VALUES).unwrap();
        assert_eq!(mail.text, format!("{} 1 h", VALUES.link.unwrap()));
        assert!(mail.html.is_none());
    }

    #[test]
    fn line_ends_of_a_subject_become_spaces() {
        let mail = MailTemplate::new("one\r\nBcc: two\n", "{{ link }}");
        let templates = Templates::new("Example").replace(MessageKind::Verify, mail);
        let mail = templates
            .check()
            .unwrap()
            .render(None, MessageKind::Verify, VALUES);
        assert_eq!(mail.unwrap().subject, "one Bcc: two");
    }

    #[test]
    fn broken_templates_are_found_before_a_mail_is_written() {
        for (mail, why) in [
            (MailTemplate::new("s", "{{ link"), "verify/default/text"),
            (MailTemplate::new("s", "{{ link }} {{ nmae }}"), "undefined"),
            (MailTemplate::new("s", "{{ link | no_such }}"), "unknown filter"),
            (MailTemplate::new("s", "no link"), "must show the link"),
            (MailTemplate::new(" ", "{{ link }}"), "is empty"),
            (
                MailTemplate::new("{{ link }}", "{{ link }}"),
                "must not show the link",
            ),
            (
                MailTemplate::new("s", "{{ link }}").with_html("<p>"),
                "verify/default/html: must show the link",
            ),
        ] {
            let text = refused(&Templates::new("Example").replace(MessageKind::Verify, mail));
            assert!(text.contains(why), "{text}");
        }
        for kind in [MessageKind::EmailChanged, MessageKind::PasswordChanged] {
            let linked = MailTemplate::new("s", "{{ link }}");
            assert!(refused(&Templates::new("Example").replace(kind, linked)).contains("undefined"));
            let plain = MailTemplate::new("s", "It has changed");
            assert!(Templates::new("Example").replace(kind, plain).check().is_ok());
        }
        assert!(refused(&Templates::new("two\nlines")).contains("name of the application"));
        let other = MailTemplate::new("s", "{{ link }}");
        let other = Templates::new("Example").replace(MessageKind::Other, other);
        assert!(refused(&other).contains("`other`"));
    }

    #[test]
    fn lifetimes_are_said_in_words() {
        let words = [0, 1, 30, 60, 90, 120, 24 * 60, 7 * 24 * 60].map(in_words);
        assert_eq!(
            words,
            [
                "0 minutes",
                "1 minute",
                "30 minutes",
                "1 hour",
                "90 minutes",
                "2 hours",
                "24 hours",
                "7 days"
            ]
        );
    }
}
