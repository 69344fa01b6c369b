//! Whatever happens to accounts in whatever order: an address has one owner, no session outlives its cause, and nobody gets a
//! privilege but from a superuser. A plain model says what must be; the application is asked after every step.

use std::time::Duration;

use axum_users::MessageKind;
use axum_users_testing::Answer;
use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any},
    prop_oneof,
    test_runner::{Config, RngSeed, TestRunner},
};
use serde_json::{Value, json};

use crate::harness::{App, BACKENDS, InMemory, Token, run};

const CASES: u32 = 64;
const STEPS: usize = 60;
/// How many accounts there may be at a time.
const CROWD: usize = 4;

const ADDRESSES: [&str; 6] = ["arthur", "bors", "galahad", "kay", "lancelot", "tristan"];
const PASSWORDS: [&str; 3] = [
    "excalibur in the lake",
    "holy hand grenade",
    "a shrubbery for them",
];
/// A superuser who looks on and does nothing else.
const WATCHER: &str = "nimue@lake.bt";

fn address(index: usize) -> String {
    format!("{}@camelot.bt", ADDRESSES[index])
}

/// Another spelling of the same address.
fn shouted(index: usize) -> String {
    format!("{}@CAMELOT.bt", ADDRESSES[index].to_uppercase())
}

/// What happens. Numbers choose among what there is, whatever there is by then.
#[derive(Debug, Clone)]
enum Step {
    Register {
        address: usize,
        shout: bool,
    },
    Login {
        who: usize,
        backend: usize,
        right: bool,
    },
    Logout {
        who: usize,
        by: usize,
    },
    LogoutAll {
        who: usize,
        by: usize,
        machines: bool,
    },
    EndOthers {
        who: usize,
        by: usize,
    },
    ChangePassword {
        who: usize,
        by: usize,
        new: usize,
    },
    AskReset {
        who: usize,
    },
    Reset {
        who: usize,
        token: usize,
        new: usize,
    },
    AskVerify {
        who: usize,
    },
    Verify {
        who: usize,
        token: usize,
    },
    AskEmail {
        who: usize,
        by: usize,
        new: usize,
    },
    ConfirmEmail {
        who: usize,
        change: usize,
    },
    UndoEmail {
        who: usize,
        change: usize,
    },
    Climb {
        who: usize,
        by: usize,
    },
    MakeMachine {
        who: usize,
        by: usize,
    },
    EndMachine {
        who: usize,
        by: usize,
        machine: usize,
    },
    SetActive {
        actor: usize,
        by: usize,
        who: usize,
        to: bool,
    },
    SetSuperuser {
        actor: usize,
        by: usize,
        who: usize,
        to: bool,
    },
    EndSessionsOf {
        actor: usize,
        by: usize,
        who: usize,
    },
    Remove {
        actor: usize,
        by: usize,
        who: usize,
    },
    Leave {
        who: usize,
        by: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let pick = || 0..12_usize;
    let address = || 0..ADDRESSES.len();
    let password = || 0..PASSWORDS.len();
    let session = move || (pick(), pick());
    let admin = move || (pick(), pick(), pick());
    prop_oneof![
        3 => (address(), any::<bool>()).prop_map(|(address, shout)| Step::Register { address, shout }),
        9 => (pick(), 0..BACKENDS.len(), 0..6).prop_map(|(who, backend, right)| Step::Login { who, backend, right: right > 0 }),
        2 => session().prop_map(|(who, by)| Step::Logout { who, by }),
        1 => (session(), any::<bool>()).prop_map(|((who, by), machines)| Step::LogoutAll { who, by, machines }),
        1 => session().prop_map(|(who, by)| Step::EndOthers { who, by }),
        2 => (session(), password()).prop_map(|((who, by), new)| Step::ChangePassword { who, by, new }),
        2 => pick().prop_map(|who| Step::AskReset { who }),
        2 => (session(), password()).prop_map(|((who, token), new)| Step::Reset { who, token, new }),
        1 => pick().prop_map(|who| Step::AskVerify { who }),
        2 => session().prop_map(|(who, token)| Step::Verify { who, token }),
        3 => (session(), address()).prop_map(|((who, by), new)| Step::AskEmail { who, by, new }),
        4 => session().prop_map(|(who, change)| Step::ConfirmEmail { who, change }),
        2 => session().prop_map(|(who, change)| Step::UndoEmail { who, change }),
        1 => session().prop_map(|(who, by)| Step::Climb { who, by }),
        2 => session().prop_map(|(who, by)| Step::MakeMachine { who, by }),
        1 => admin().prop_map(|(who, by, machine)| Step::EndMachine { who, by, machine }),
        3 => (admin(), any::<bool>()).prop_map(|((actor, by, who), to)| Step::SetActive { actor, by, who, to }),
        2 => (admin(), any::<bool>()).prop_map(|((actor, by, who), to)| Step::SetSuperuser { actor, by, who, to }),
        1 => admin().prop_map(|(actor, by, who)| Step::EndSessionsOf { actor, by, who }),
        1 => admin().prop_map(|(actor, by, who)| Step::Remove { actor, by, who }),
        1 => session().prop_map(|(who, by)| Step::Leave { who, by }),
        // A password that is mailed for is set at once, so that the mail is still good.
        2 => (pick(), Just(0), password()).prop_map(|(who, token, new)| Step::Reset { who, token, new }),
    ]
}

#[derive(Debug)]
struct Login {
    backend: usize,
    token: Token,
    lives: bool,
}

#[derive(Debug)]
struct Machine {
    id: String,
    token: Token,
    lives: bool,
}

/// A mailed token, and what it is bound to.
#[derive(Debug)]
struct Mailed {
    token: String,
    address: usize,
    hash: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    Confirmed,
    Over,
}

#[derive(Debug)]
struct EmailChange {
    confirm: String,
    undo: String,
    old: usize,
    new: usize,
    was_verified: bool,
    stage: Stage,
}

/// What an account must be.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "three of them are those of a user")]
struct Person {
    id: String,
    address: usize,
    /// `None` where none is good.
    password: Option<usize>,
    /// How often the password was set.
    hash: u32,
    is_active: bool,
    is_verified: bool,
    is_superuser: bool,
    is_gone: bool,
    logins: Vec<Login>,
    machines: Vec<Machine>,
    resets: Vec<Mailed>,
    verifications: Vec<Mailed>,
    changes: Vec<EmailChange>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    All,
    Everything,
    /// All but the login of this index.
    Others(usize),
}

impl Person {
    fn new(id: String, address: usize) -> Self {
        Self {
            id,
            address,
            password: Some(0),
            hash: 0,
            is_active: true,
            is_verified: false,
            is_superuser: false,
            is_gone: false,
            logins: Vec::new(),
            machines: Vec::new(),
            resets: Vec::new(),
            verifications: Vec::new(),
            changes: Vec::new(),
        }
    }

    fn end(&mut self, which: End) {
        for (index, login) in self.logins.iter_mut().enumerate() {
            // A JWT cannot move on to the new epoch.
            let stays = which == End::Others(index) && !BACKENDS[login.backend].ends_with("jwt");
            login.lives &= stays;
        }
        if which == End::Everything {
            for machine in &mut self.machines {
                machine.lives = false;
            }
        }
        self.stop_waiting();
    }

    fn stop_waiting(&mut self) {
        for change in &mut self.changes {
            if change.stage == Stage::Waiting {
                change.stage = Stage::Over;
            }
        }
    }

    fn set_password(&mut self, password: Option<usize>) {
        self.password = password;
        self.hash += 1;
    }

    fn leave(&mut self) {
        self.end(End::Everything);
        self.is_gone = true;
    }

    /// A login to act by: one that lives if there is any, and at times one that does not.
    fn login(&self, by: usize) -> Option<usize> {
        let live: Vec<_> = (0..self.logins.len())
            .filter(|login| self.logins[*login].lives)
            .collect();
        if live.is_empty() || by == 0 {
            return by.checked_rem(self.logins.len());
        }
        Some(live[by % live.len()])
    }

    fn is_good(&self, mailed: &Mailed) -> bool {
        !self.is_gone && self.is_active && mailed.address == self.address && mailed.hash == self.hash
    }
}

/// The newest first, so that most tokens are tried while they are good.
fn newest<T>(all: &[T], pick: usize) -> Option<usize> {
    let back = (pick / 3).checked_rem(all.len())?;
    Some(all.len() - 1 - back)
}

struct World<'a> {
    app: &'a App<InMemory>,
    people: Vec<Person>,
    watcher: Token,
}

impl<'a> World<'a> {
    async fn begin(app: &'a App<InMemory>) -> Self {
        app.superuser(WATCHER).await;
        let watcher = app.login("token", WATCHER).await;
        let mut merlin = Person::new(app.superuser(&address(0)).await, 0);
        (merlin.is_verified, merlin.is_superuser) = (true, true);
        Self {
            app,
            people: vec![merlin],
            watcher,
        }
    }

    fn who(&self, pick: usize) -> usize {
        pick % self.people.len()
    }

    /// Whether an account may have an address; `None` for a new one.
    fn is_free(&self, address: usize, of: Option<usize>) -> bool {
        let mut others = self.people.iter().enumerate();
        others.all(|(index, other)| {
            let keeps = |change: &EmailChange| change.stage == Stage::Confirmed && change.old == address;
            Some(index) == of
                || other.is_gone
                || (other.address != address && !other.changes.iter().any(keeps))
        })
    }

    /// The token of the last mail of a kind, whose address may be in any spelling.
    async fn mailed(&self, kind: MessageKind) -> String {
        let token = self.app.outbox.last_token(kind).await;
        token.expect("a mail with a token was sent")
    }

    /// Sends a request by a login of somebody. `None` where nobody has one to try, or it is dead and so refused.
    async fn by(
        &self,
        who: usize,
        by: usize,
        (method, path): (&str, &str),
        body: Option<Value>,
    ) -> Option<(usize, Answer)> {
        let person = &self.people[who];
        let index = person.login(by)?;
        let login = &person.logins[index];
        let path = path.replace("{backend}", BACKENDS[login.backend]);
        let call = self.app.call(method, &path).by(&login.token);
        let answer = match body {
            Some(body) => call.json(body).await,
            None => call.await,
        };
        if login.lives {
            return Some((index, answer));
        }
        answer.refused(401, "UNAUTHORIZED");
        None
    }

    /// As [`by`](Self::by), for what only superusers may.
    async fn by_superuser(
        &self,
        (actor, by): (usize, usize),
        method: &str,
        path: &str,
        body: Option<Value>,
        status: u16,
    ) -> bool {
        let Some((_, answer)) = self.by(actor, by, (method, path), body).await else {
            return false;
        };
        if self.people[actor].is_superuser {
            answer.is(status);
            return true;
        }
        answer.refused(403, "FORBIDDEN");
        false
    }

    fn password(&self, who: usize) -> &'static str {
        self.people[who]
            .password
            .map_or("no such thing", |index| PASSWORDS[index])
    }

    async fn register(&mut self, index: usize, shout: bool) {
        if self.people.iter().filter(|person| !person.is_gone).count() >= CROWD {
            return;
        }
        let email = if shout { shouted(index) } else { address(index) };
        let body = json!({
            "email": email, "password": PASSWORDS[0], "is_superuser": true, "is_verified": true, "is_active": true,
        });
        let answer = self.app.post("/auth/register").json(body).await;
        if self.is_free(index, None) {
            let id = answer.is(201).json()["id"].as_str().expect("a key").to_owned();
            self.people.push(Person::new(id, index));
        } else {
            answer.refused(400, "REGISTER_USER_ALREADY_EXISTS");
        }
    }

    async fn log_in(&mut self, who: usize, backend: usize, right: bool) {
        let person = &self.people[who];
        if person.is_gone {
            return;
        }
        let password = if right { self.password(who) } else { "of no use" };
        let answer = self
            .app
            .try_login(BACKENDS[backend], &address(person.address), password)
            .await;
        if right && person.is_active && person.password.is_some() {
            let token = answer.token();
            let login = Login {
                backend,
                token,
                lives: true,
            };
            self.people[who].logins.push(login);
        } else {
            answer.refused(400, "LOGIN_BAD_CREDENTIALS");
        }
    }

    async fn sign_out(&mut self, step: &Step) {
        match *step {
            Step::Logout { who, by } => {
                let who = self.who(who);
                let logout = ("POST", "/auth/{backend}/logout");
                if let Some((login, answer)) = self.by(who, by, logout, None).await {
                    assert!((200..300).contains(&answer.status), "{}", answer.status);
                    self.people[who].logins[login].lives = false;
                }
            }
            Step::LogoutAll { who, by, machines } => {
                let who = self.who(who);
                let path = format!("/auth/{{backend}}/logout-all?personal_tokens={machines}");
                if let Some((_, answer)) = self.by(who, by, ("POST", &path), None).await {
                    assert!((200..300).contains(&answer.status), "{}", answer.status);
                    self.people[who].end(if machines { End::Everything } else { End::All });
                }
            }
            Step::EndOthers { who, by } => {
                let who = self.who(who);
                let end = ("POST", "/auth/sessions/end-others");
                if let Some((login, answer)) = self.by(who, by, end, None).await {
                    answer.is(204);
                    self.people[who].end(End::Others(login));
                }
            }
            _ => unreachable!("no way to sign out"),
        }
    }

    async fn change_password(&mut self, who: usize, by: usize, new: usize) {
        let body = json!({"password": PASSWORDS[new], "current_password": self.password(who)});
        if let Some((login, answer)) = self.by(who, by, ("PATCH", "/users/me"), Some(body)).await {
            answer.is(200);
            self.people[who].set_password(Some(new));
            self.people[who].end(End::Others(login));
        }
    }

    async fn ask_by_mail(&mut self, who: usize, kind: MessageKind) {
        let person = &self.people[who];
        let reset = kind == MessageKind::ResetPassword;
        if person.is_gone || !person.is_active || (!reset && person.is_verified) {
            return;
        }
        let path = if reset {
            "/auth/forgot-password"
        } else {
            "/auth/request-verify-token"
        };
        let body = json!({"email": shouted(person.address)});
        self.app.post(path).json(body).await.is(202);
        let mailed = Mailed {
            token: self.mailed(kind).await,
            address: person.address,
            hash: person.hash,
        };
        let person = &mut self.people[who];
        if reset {
            person.resets.push(mailed);
        } else {
            person.verifications.push(mailed);
        }
    }

    async fn reset(&mut self, who: usize, token: usize, new: usize) {
        let person = &self.people[who];
        let Some(index) = newest(&person.resets, token) else {
            return;
        };
        let mailed = &person.resets[index];
        let answer = self.app.reset(&mailed.token, PASSWORDS[new]).await;
        if person.is_good(mailed) {
            answer.is(200);
            // Who made an account that was never confirmed need not be the one who reads its mail.
            let which = if person.is_verified {
                End::All
            } else {
                End::Everything
            };
            self.people[who].set_password(Some(new));
            self.people[who].end(which);
        } else {
            answer.refused(400, "RESET_PASSWORD_BAD_TOKEN");
        }
    }

    async fn verify(&mut self, who: usize, token: usize) {
        let person = &self.people[who];
        let Some(index) = newest(&person.verifications, token) else {
            return;
        };
        let mailed = &person.verifications[index];
        let answer = self.app.verify(&mailed.token).await;
        if person.is_good(mailed) && !person.is_verified {
            answer.is(200);
            self.people[who].is_verified = true;
        } else {
            assert!((400..500).contains(&answer.status), "{}", answer.status);
        }
    }

    async fn ask_email(&mut self, who: usize, by: usize, new: usize) {
        let old = self.people[who].address;
        if new == old {
            return;
        }
        let body = json!({"email": address(new), "current_password": self.password(who)});
        let Some((_, answer)) = self.by(who, by, ("PATCH", "/users/me"), Some(body)).await else {
            return;
        };
        if !self.is_free(new, Some(who)) {
            answer.refused(400, "UPDATE_USER_EMAIL_ALREADY_EXISTS");
            return;
        }
        answer.is(200);
        let change = EmailChange {
            confirm: self.mailed(MessageKind::ConfirmEmailChange).await,
            undo: self.mailed(MessageKind::UndoEmailChange).await,
            old,
            new,
            was_verified: self.people[who].is_verified,
            stage: Stage::Waiting,
        };
        self.people[who].stop_waiting();
        self.people[who].changes.push(change);
    }

    async fn confirm_email(&mut self, who: usize, change: usize) {
        let person = &self.people[who];
        let Some(index) = newest(&person.changes, change) else {
            return;
        };
        let change = &person.changes[index];
        let answer = self.app.confirm_email(&change.confirm).await;
        if person.is_gone || change.stage != Stage::Waiting {
            answer.refused(400, "CHANGE_EMAIL_BAD_TOKEN");
        } else if self.is_free(change.new, Some(who)) {
            answer.is(200);
            let person = &mut self.people[who];
            person.address = person.changes[index].new;
            person.is_verified = true;
            person.changes[index].stage = Stage::Confirmed;
            person.end(End::All);
        } else {
            answer.refused(400, "CHANGE_EMAIL_ALREADY_EXISTS");
        }
    }

    async fn undo_email(&mut self, who: usize, change: usize) {
        let person = &self.people[who];
        let Some(index) = newest(&person.changes, change) else {
            return;
        };
        let change = &person.changes[index];
        let answer = self.app.undo_email(&change.undo).await;
        if person.is_gone || change.stage == Stage::Over {
            answer.refused(400, "CHANGE_EMAIL_BAD_TOKEN");
            return;
        }
        answer.is(200);
        let person = &mut self.people[who];
        if person.changes[index].stage == Stage::Confirmed {
            person.address = person.changes[index].old;
            person.is_verified = person.changes[index].was_verified;
            person.set_password(None);
            person.end(End::Everything);
        }
        for change in &mut person.changes[index..] {
            change.stage = Stage::Over;
        }
    }

    async fn make_machine(&mut self, who: usize, by: usize) {
        if self.people[who]
            .machines
            .iter()
            .filter(|machine| machine.lives)
            .count()
            >= 3
        {
            return;
        }
        let body = json!({"name": "backup", "current_password": self.password(who)});
        if let Some((_, answer)) = self.by(who, by, ("POST", "/auth/tokens"), Some(body)).await {
            let made = answer.is(201).json();
            let text = |field: &str| made[field].as_str().expect("a text").to_owned();
            let machine = Machine {
                id: text("id"),
                token: Token::bearer(text("token")),
                lives: true,
            };
            self.people[who].machines.push(machine);
        }
    }

    async fn end_machine(&mut self, who: usize, by: usize, machine: usize) {
        let Some(index) = newest(&self.people[who].machines, machine) else {
            return;
        };
        let machine = &self.people[who].machines[index];
        let path = format!("/auth/tokens/{}", machine.id);
        if let Some((_, answer)) = self.by(who, by, ("DELETE", &path), None).await {
            answer.is(if machine.lives { 204 } else { 404 });
            self.people[who].machines[index].lives = false;
        }
    }

    /// What a superuser does to somebody; the first superuser stays out of it, so that there is one.
    async fn administer(&mut self, step: &Step) {
        let (Step::SetActive { actor, by, who, .. }
        | Step::SetSuperuser { actor, by, who, .. }
        | Step::EndSessionsOf { actor, by, who }
        | Step::Remove { actor, by, who }) = *step
        else {
            unreachable!("nothing for a superuser");
        };
        let (actor, who) = (self.who(actor), self.who(who));
        let person = &self.people[who];
        if who == 0 || person.is_gone {
            return;
        }
        let path = format!("/users/{}", person.id);
        let by = (actor, by);
        match *step {
            Step::SetActive { to, .. } => {
                let body = json!({"is_active": to});
                if self.by_superuser(by, "PATCH", &path, Some(body), 200).await {
                    self.people[who].is_active = to;
                    if !to {
                        self.people[who].end(End::Everything);
                    }
                }
            }
            Step::SetSuperuser { to, .. } => {
                let body = json!({"is_superuser": to});
                if self.by_superuser(by, "PATCH", &path, Some(body), 200).await {
                    self.people[who].is_superuser = to;
                }
            }
            Step::EndSessionsOf { .. } => {
                let path = format!("/auth/sessions{path}");
                if self.by_superuser(by, "DELETE", &path, None, 204).await {
                    self.people[who].end(End::All);
                }
            }
            _ => {
                if self.by_superuser(by, "DELETE", &path, None, 204).await {
                    self.people[who].leave();
                }
            }
        }
    }

    async fn take(&mut self, step: &Step) {
        match *step {
            Step::Register { address, shout } => self.register(address, shout).await,
            Step::Login { who, backend, right } => self.log_in(self.who(who), backend, right).await,
            Step::Logout { .. } | Step::LogoutAll { .. } | Step::EndOthers { .. } => {
                self.sign_out(step).await;
            }
            Step::ChangePassword { who, by, new } => self.change_password(self.who(who), by, new).await,
            Step::AskReset { who } => self.ask_by_mail(self.who(who), MessageKind::ResetPassword).await,
            Step::Reset { who, token, new } => self.reset(self.who(who), token, new).await,
            Step::AskVerify { who } => self.ask_by_mail(self.who(who), MessageKind::Verify).await,
            Step::Verify { who, token } => self.verify(self.who(who), token).await,
            Step::AskEmail { who, by, new } => self.ask_email(self.who(who), by, new).await,
            Step::ConfirmEmail { who, change } => self.confirm_email(self.who(who), change).await,
            Step::UndoEmail { who, change } => self.undo_email(self.who(who), change).await,
            Step::Climb { who, by } => {
                let body = json!({"is_superuser": true, "is_verified": true, "is_active": true});
                let climb = ("PATCH", "/users/me");
                if let Some((_, answer)) = self.by(self.who(who), by, climb, Some(body)).await {
                    answer.is(200);
                }
            }
            Step::MakeMachine { who, by } => self.make_machine(self.who(who), by).await,
            Step::EndMachine { who, by, machine } => self.end_machine(self.who(who), by, machine).await,
            Step::Leave { who, by } => {
                let who = self.who(who);
                let body = json!({"current_password": self.password(who)});
                let leave = ("POST", "/users/me/delete");
                if who != 0
                    && let Some((_, answer)) = self.by(who, by, leave, Some(body)).await
                {
                    answer.is(204);
                    self.people[who].leave();
                }
            }
            _ => self.administer(step).await,
        }
    }

    /// Compares all that can be seen with what must be.
    async fn check(&self) {
        let page = self.app.get("/users").by(&self.watcher).await.is(200).json();
        let users = page["items"].as_array().expect("a list").iter();
        let mut seen: Vec<_> = users
            .filter(|user| user["email"] != WATCHER)
            .map(|user| {
                let email = user["email"].as_str().expect("an address").to_lowercase();
                let flags = ["is_active", "is_verified", "is_superuser"].map(|flag| user[flag] == true);
                (email, user["id"].as_str().expect("a key").to_owned(), flags)
            })
            .collect();
        let people = self.people.iter().filter(|person| !person.is_gone);
        let mut known: Vec<_> = people
            .map(|person| {
                let flags = [person.is_active, person.is_verified, person.is_superuser];
                (address(person.address), person.id.clone(), flags)
            })
            .collect();
        seen.sort();
        known.sort();
        assert_eq!(seen, known, "who there is");
        let all = seen.len();
        seen.dedup_by(|one, other| one.0 == other.0);
        assert_eq!(seen.len(), all, "an address has one owner");
        for person in &self.people {
            self.check_tokens(person).await;
        }
    }

    async fn check_tokens(&self, person: &Person) {
        let logins = person.logins.iter().map(|login| (&login.token, login.lives));
        let machines = person
            .machines
            .iter()
            .map(|machine| (&machine.token, machine.lives));
        for (token, lives) in logins.chain(machines) {
            let answer = self.app.get("/users/me").by(token).await;
            assert_eq!(
                answer.status == 200,
                lives,
                "{token:?} of {}: {}",
                ADDRESSES[person.address],
                answer.status
            );
            if lives {
                assert_eq!(
                    answer.json()["id"],
                    person.id,
                    "the token of one is that of another"
                );
            }
        }
        if let Some(login) = person.logins.iter().find(|login| login.lives) {
            let status = self.app.get("/users").by(&login.token).await.status;
            assert_eq!(
                status,
                if person.is_superuser { 200 } else { 403 },
                "who may see all"
            );
        }
    }
}

#[test]
fn whatever_happens_in_whatever_order_accounts_keep_their_owners_sessions_and_rights() {
    let config = Config {
        cases: CASES,
        max_shrink_iters: 300,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(0x00a1_1ce5),
        ..Config::default()
    };
    let steps = vec(step(), 1..=STEPS);
    TestRunner::new(config)
        .run(&steps, |steps| {
            run::<InMemory>(async |app| {
                let mut world = World::begin(app).await;
                for step in &steps {
                    app.clock.advance(Duration::from_secs(1));
                    world.take(step).await;
                    world.check().await;
                }
            });
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}
