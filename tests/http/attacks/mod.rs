//! What an attacker would do, by the numbers of a catalogue of attacks on such servers.

mod aftermath;
mod at_rest;
mod availability;
mod bearer;
mod cookies;
mod errors;
mod logins;
mod mails;
mod registration;
mod users;
