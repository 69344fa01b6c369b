#![doc = include_str!("../README.md")]

mod backoff;
mod composer;
mod eml;
mod hooks;
mod line_by_line;
mod links;
mod mail_directory;
mod mailer;
mod queue;
mod smtp;
mod smtp_url;
mod templates;
mod transport;
mod wake;
mod worker;

pub use self::{
    hooks::MailHooks,
    links::Links,
    mailer::Mailer,
    queue::{MailQueue, MemoryQueue},
    templates::{MailTemplate, Templates},
    transport::{MailError, MailTransport},
    wake::Wake,
    worker::MailWorker,
};
