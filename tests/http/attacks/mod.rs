//! What an attacker would do, by the numbers of a catalogue of attacks on such servers.

mod accounts;
mod passwords;
mod races;
mod tokens;
