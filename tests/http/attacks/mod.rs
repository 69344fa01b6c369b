//! What an attacker would do, by the numbers of a catalogue of attacks on such servers.

mod accounts;
mod aftermath;
mod at_rest;
mod availability;
mod bearer;
mod cookies;
mod errors;
mod logins;
mod mails;
mod passwords;
mod races;
mod registration;
mod tokens;
mod users;
