//! What is measured.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::time::sleep;

use crate::{
    Result,
    database::{Admin, Postgres, Stock, rows_written},
    in_redis::{self, InRedis},
    load::{Connection, Flood, Requests, Run, count, expect_ok, paced, run},
    machine::resident,
    report::{Asked, Expected, Figure, Settings, Spread},
    server::{Kind, Launcher, Server},
    wire::Relay,
};

const BACKENDS: [&str; 2] = ["jwt", "db"];
/// What a measured server logs: what is wrong.
const QUIET: &str = "warn";
/// Ends that slide, as often as once a minute.
const SLIDING: &[(&str, &str)] = &[
    ("TOKEN_AUTO_REFRESH", "true"),
    ("TOKEN_MIN_REFRESH_INTERVAL", "60"),
];
/// Connections go back to their pool after the answer.
const SETTLE: Duration = Duration::from_millis(30);
const FLOOD: usize = 8;
/// Clients that keep the hashing thread busy.
const LOGIN_CLIENTS: usize = 2;

pub(crate) struct Bench<'a> {
    pub(crate) launcher: &'a Launcher,
    pub(crate) admin: &'a mut Admin,
    pub(crate) settings: &'a Settings,
    pub(crate) small: &'a Stock,
    pub(crate) large: &'a Stock,
    pub(crate) figures: Vec<Figure>,
    pub(crate) statements: Vec<Asked>,
}

/// A server, and how its backends in the database are found.
pub(crate) struct Target {
    kind: Kind,
    application: String,
    pub(crate) server: Server,
}

/// Microseconds of processor time for one request.
#[derive(Debug, Clone, Copy)]
struct Cost {
    server: f64,
    database: f64,
    rate: f64,
}

impl Cost {
    fn total(self) -> f64 {
        self.server + self.database
    }
}

impl Bench<'_> {
    fn postgres(&self) -> Postgres {
        self.admin.postgres.clone()
    }

    async fn start(&self, kind: Kind, stock: &Stock, label: &str, log: &'static str) -> Result<Target> {
        self.start_with(kind, stock, label, log, &[]).await
    }

    pub(crate) async fn start_with(
        &self,
        kind: Kind,
        stock: &Stock,
        label: &str,
        log: &'static str,
        more: &'static [(&'static str, &'static str)],
    ) -> Result<Target> {
        let application = format!("bench-{}-{label}", kind.name());
        let postgres = self.postgres();
        let url = postgres.url(postgres.address, &stock.name, &application);
        Ok(Target {
            kind,
            application,
            server: self.launcher.start(kind, url, log, more).await?,
        })
    }

    /// The processor time that server and database take for each of the requests that `work` sends.
    async fn cost(&mut self, target: &Target, work: impl Future<Output = Result<Run>>) -> Result<Cost> {
        let before = self.times(target).await?;
        let run = work.await?;
        sleep(SETTLE).await;
        let after = self.times(target).await?;
        let sent = count(run.latencies.len());
        let micros = |time: Duration| time.as_secs_f64() * 1e6 / sent;
        Ok(Cost {
            server: micros(after.0.saturating_sub(before.0)),
            database: micros(after.1.saturating_sub(before.1)),
            rate: run.rate(),
        })
    }

    async fn times(&mut self, target: &Target) -> Result<(Duration, Duration)> {
        let database = self
            .admin
            .backends(&target.application, self.launcher.pinned)
            .await?;
        let server = crate::machine::processor_time(target.server.pid())?;
        Ok((server, database.values().sum()))
    }

    /// `GET /users/me` on both servers and both sizes.
    pub(crate) async fn looks(&mut self) -> Result<()> {
        // What is compared stands side by side, since a shared machine changes its speed from second to second.
        let mut targets = vec![
            (
                self.start(Kind::App, self.small, "talking", "info").await?,
                self.small,
            ),
            (
                self.start(Kind::Floor, self.small, "small", QUIET).await?,
                self.small,
            ),
            (
                self.start(Kind::App, self.small, "small", QUIET).await?,
                self.small,
            ),
            (
                self.start(Kind::App, self.large, "large", QUIET).await?,
                self.large,
            ),
            (
                self.start(Kind::Floor, self.large, "large", QUIET).await?,
                self.large,
            ),
        ];
        self.same_answer(&targets).await?;
        let Settings {
            rounds,
            looks,
            connections,
            ..
        } = *self.settings;
        let lively = [
            self.start_with(Kind::App, self.small, "lively-small", QUIET, SLIDING)
                .await?,
            self.start_with(Kind::App, self.large, "lively-large", QUIET, SLIDING)
                .await?,
        ];
        let mut lively_costs: [Vec<Cost>; 2] = [Vec::new(), Vec::new()];
        let mut costs: BTreeMap<(String, &str), Vec<Cost>> = BTreeMap::new();
        for round in 0..=rounds {
            targets.reverse();
            for backend in BACKENDS {
                for (target, stock) in &targets {
                    let requests = stock.looks(target.kind, backend)?;
                    let work = run(target.server.address, requests, round * looks, looks, connections);
                    let cost = self.cost(target, work).await?;
                    // The first round fills caches.
                    if round > 0 {
                        let key = (target.application.clone(), backend);
                        costs.entry(key).or_default().push(cost);
                    }
                }
            }
            for (index, stock) in [self.small, self.large].into_iter().enumerate() {
                let (Some(target), Some(costs)) = (lively.get(index), lively_costs.get_mut(index)) else {
                    continue;
                };
                let work = run(
                    target.server.address,
                    stock.lively()?,
                    round * looks,
                    looks,
                    connections,
                );
                let cost = self.cost(target, work).await?;
                if round > 0 {
                    costs.push(cost);
                }
            }
            if round % 10 == 0 {
                crate::progress(&format!("looks: round {round} of {rounds}"));
            }
        }
        self.look_figures(&costs, &lively_costs);
        Ok(())
    }

    /// `GET /users/me` by tokens in Redis, on both servers.
    pub(crate) async fn redis_looks(&mut self) -> Result<()> {
        let floor = self
            .start_with(Kind::Floor, self.small, "redis", QUIET, in_redis::SETTINGS)
            .await?;
        let ours = self
            .start_with(Kind::App, self.small, "redis", QUIET, in_redis::SETTINGS)
            .await?;
        let tokens = InRedis::fill(self.small, ours.server.address).await?;
        let Settings {
            rounds,
            looks,
            connections,
            ..
        } = *self.settings;
        let mut costs: [Vec<Cost>; 2] = [Vec::new(), Vec::new()];
        for round in 0..=rounds {
            let pairs = [(&floor, &tokens.floor), (&ours, &tokens.ours)];
            for ((target, requests), costs) in pairs.into_iter().zip(&mut costs) {
                let work = run(target.server.address, requests, round * looks, looks, connections);
                let cost = self.cost(target, work).await?;
                if round > 0 {
                    costs.push(cost);
                }
            }
        }
        tokens.clear(ours.server.address).await?;
        let [floor, ours] = costs;
        let figure = compared("GET me by redis, without the time of Redis", &floor, &ours);
        self.figures.push(figure.expect(Expected::AtLeast(0.85)));
        Ok(())
    }

    fn look_figures(&mut self, costs: &BTreeMap<(String, &str), Vec<Cost>>, lively: &[Vec<Cost>; 2]) {
        let of = |name: &str, backend| {
            costs
                .get(&(format!("bench-{name}"), backend))
                .cloned()
                .unwrap_or_default()
        };
        self.lively(&of("floor-small", "db"), lively);
        for backend in BACKENDS {
            let (floor, ours) = (of("floor-small", backend), of("axum-users-small", backend));
            self.figures.push(
                compared(&format!("GET me by {backend}"), &floor, &ours).expect(Expected::AtLeast(0.85)),
            );
            for (part, pick) in [
                ("server", (|cost| cost.server) as fn(Cost) -> f64),
                ("database", |cost| cost.database),
            ] {
                let figure = Figure::new(format!("… of it the {part}"), "µs", median(&ours, pick));
                self.figures.push(figure.floor(median(&floor, pick)));
            }
            let talking = of("axum-users-talking", backend);
            self.figures
                .push(compared("… with a line logged for each", &floor, &talking));
        }
        for backend in BACKENDS {
            let (small, large) = (of("axum-users-small", backend), of("axum-users-large", backend));
            let rows = self.settings.large;
            let ratio = ratios(&small, &large);
            let figure = Figure::new(
                format!("GET me by {backend}, {rows} rows, of {}", self.settings.small),
                "µs",
                median(&large, Cost::total),
            );
            let floor = of("floor-large", backend);
            self.figures.push(
                figure
                    .floor(median(&floor, Cost::total))
                    .ratio(ratio)
                    .expect(Expected::AtLeast(0.85)),
            );
            let floor = Figure::new("… the floor itself", "µs", median(&floor, Cost::total));
            self.figures
                .push(floor.ratio(ratios(&of("floor-small", backend), &of("floor-large", backend))));
        }
    }

    /// Figures of sessions in use, whose ends slide: their uses are written beside the requests.
    fn lively(&mut self, floor: &[Cost], [small, large]: &[Vec<Cost>; 2]) {
        let figure = compared("GET me by db, sessions in use, ends sliding", floor, small);
        self.figures.push(figure.expect(Expected::AtLeast(0.85)));
        let figure = Figure::new(
            format!("… {} rows, of {}", self.settings.large, self.settings.small),
            "µs",
            median(large, Cost::total),
        );
        self.figures
            .push(figure.ratio(ratios(small, large)).expect(Expected::AtLeast(0.85)));
    }

    /// A comparison is of use only where both do the same.
    async fn same_answer(&self, targets: &[(Target, &Stock)]) -> Result<()> {
        for backend in BACKENDS {
            let mut first: Option<Value> = None;
            for (target, stock) in targets {
                if stock.name != self.small.name {
                    continue;
                }
                let answer = ask(target.server.address, stock.looks(target.kind, backend)?).await?;
                let answer: Value = serde_json::from_slice(&answer)?;
                match &first {
                    Some(first) if *first != answer => {
                        return Err(
                            format!("the floor answers {first}, {} {answer}", target.kind.name()).into(),
                        );
                    }
                    _ => first = Some(answer),
                }
            }
        }
        Ok(())
    }

    /// How many statements a look takes, and whether any of them writes.
    pub(crate) async fn statements(&mut self) -> Result<()> {
        const REQUESTS: usize = 200;
        let postgres = self.postgres();
        let relay = Relay::before(postgres.address).await?;
        for backend in BACKENDS {
            let before = rows_written(&postgres, &self.small.name).await?;
            let application = "bench-relayed";
            let url = postgres.url(relay.address, &self.small.name, application);
            let server = self.launcher.start(Kind::App, url, QUIET, &[]).await?;
            let requests = self.small.looks(Kind::App, backend)?;
            run(server.address, requests, 0, 20, 1).await?;
            relay.take();
            run(server.address, requests, 0, REQUESTS, 1).await?;
            let seen = relay.take();
            let mut connection = Connection::open(server.address).await?;
            for junk in self.small.junk()?.iter().take(REQUESTS) {
                let status = connection.send(junk).await?.status;
                if status != 401 {
                    return Err(format!("junk is answered with {status}").into());
                }
            }
            let by_junk: usize = relay.take().values().sum();
            drop(server);
            // A backend hands in its statistics when it ends.
            self.admin.gone(application).await?;
            let written = rows_written(&postgres, &self.small.name).await? - before;
            let statements: usize = seen.values().sum();
            self.figures.push(
                Figure::new(
                    format!("GET me by {backend}, statements a request"),
                    "",
                    count(statements) / count(REQUESTS),
                )
                .expect(Expected::AtMost(1.0)),
            );
            let figure = Figure::new("… by what is no token", "", count(by_junk));
            self.figures.push(figure.expect(Expected::AtMost(0.0)));
            let written = Figure::new(
                "… rows written by all of them",
                "",
                count(usize::try_from(written)?),
            );
            self.figures.push(written.expect(Expected::AtMost(0.0)));
            self.statements.push(Asked {
                requests: format!("{REQUESTS} × GET me by {backend}"),
                statements: seen,
            });
        }
        Ok(())
    }

    /// Logins, one hashing thread each.
    pub(crate) async fn logins(&mut self) -> Result<()> {
        let targets = [
            self.start(Kind::Floor, self.small, "login", QUIET).await?,
            self.start(Kind::App, self.small, "login", QUIET).await?,
        ];
        let Settings {
            login_rounds: rounds,
            logins,
            ..
        } = *self.settings;
        let mut costs: BTreeMap<(&str, &str), Vec<Cost>> = BTreeMap::new();
        for round in 0..=rounds {
            for backend in BACKENDS {
                for turn in 0..targets.len() {
                    let Some(target) = targets.get((turn + round) % targets.len()) else {
                        continue;
                    };
                    let requests = self.small.logins(target.kind, backend)?;
                    let work = run(
                        target.server.address,
                        requests,
                        round * logins,
                        logins,
                        LOGIN_CLIENTS,
                    );
                    let cost = self.cost(target, work).await?;
                    if round > 0 {
                        costs.entry((target.kind.name(), backend)).or_default().push(cost);
                    }
                }
            }
            if round % 10 == 0 {
                crate::progress(&format!("logins: round {round} of {rounds}"));
            }
        }
        let of = |kind: Kind, backend| costs.get(&(kind.name(), backend)).cloned().unwrap_or_default();
        for backend in BACKENDS {
            let (floor, ours) = (of(Kind::Floor, backend), of(Kind::App, backend));
            let figure = compared(&format!("login by {backend}"), &floor, &ours);
            self.figures.push(figure.expect(Expected::AtLeast(0.97)));
            let rate = Figure::new("… logins a second", "", median(&ours, |cost| cost.rate));
            let ratio = Spread::of(
                floor
                    .iter()
                    .zip(&ours)
                    .map(|(floor, ours)| ours.rate / floor.rate),
            );
            self.figures
                .push(rate.floor(median(&floor, |cost| cost.rate)).ratio(ratio));
        }
        Ok(())
    }

    /// How long a look takes while others log in.
    pub(crate) async fn latency(&mut self) -> Result<()> {
        let span = Duration::from_secs(self.settings.span);
        let mut seen: BTreeMap<(&str, bool), Vec<(f64, f64)>> = BTreeMap::new();
        let mut flood_rates: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        let targets = [
            self.start(Kind::Floor, self.small, "latency", QUIET).await?,
            self.start(Kind::App, self.small, "latency", QUIET).await?,
        ];
        let connections = u32::try_from(self.settings.connections)?;
        for round in 0..self.settings.latency_rounds {
            for target in &targets {
                let name = target.kind.name();
                let (looks, logins) = (
                    self.small.looks(target.kind, "jwt")?,
                    self.small.logins(target.kind, "jwt")?,
                );
                let address = target.server.address;
                // Connections to the database open, and are put on their core.
                run(address, looks, 0, 200, self.settings.connections).await?;
                self.times(target).await?;
                for flooded in [false, true] {
                    let flood = flooded.then(|| Flood::begin(address, logins, FLOOD));
                    let run = paced(address, looks, self.settings.rate, span, connections).await?;
                    if let Some(flood) = flood {
                        let flood = flood.end().await?;
                        flood_rates.entry(name).or_default().push(flood.rate());
                    }
                    let spread = (percentile(&run, 50), percentile(&run, 99));
                    seen.entry((name, flooded)).or_default().push(spread);
                }
            }
            crate::progress(&format!(
                "latency: round {} of {}",
                round + 1,
                self.settings.latency_rounds
            ));
        }
        let of = |kind: Kind, flooded| seen.get(&(kind.name(), flooded)).cloned().unwrap_or_default();
        for (name, flooded) in [("quiet", false), ("while 8 clients log in", true)] {
            let middle =
                |kind, pick: fn(&(f64, f64)) -> f64| Spread::of(of(kind, flooded).iter().map(pick)).median;
            for (percent, pick) in [
                ("p50", (|seen| seen.0) as fn(&(f64, f64)) -> f64),
                ("p99", |seen| seen.1),
            ] {
                let figure = Figure::new(
                    format!("GET me by jwt, {percent} {name}"),
                    "ms",
                    middle(Kind::App, pick),
                );
                self.figures.push(figure.floor(middle(Kind::Floor, pick)));
            }
        }
        let grown = |kind| {
            let pairs = of(kind, false).into_iter().zip(of(kind, true));
            Spread::of(pairs.map(|(quiet, flooded)| flooded.1 / quiet.1))
        };
        let ours = grown(Kind::App);
        let figure = Figure::new("… p99 while they log in, of the quiet one", "", ours.median);
        self.figures.push(
            figure
                .floor(grown(Kind::Floor).median)
                .ratio(ours)
                .expect(Expected::AtMost(2.0)),
        );
        let rate =
            |kind: Kind| Spread::of(flood_rates.get(kind.name()).into_iter().flatten().copied()).median;
        self.figures
            .push(Figure::new("… logins a second meanwhile", "", rate(Kind::App)).floor(rate(Kind::Floor)));
        Ok(())
    }

    /// From nothing to the first answer, on a database that is there.
    pub(crate) async fn starts(&mut self) -> Result<()> {
        let mut seen: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for _ in 0..self.settings.starts {
            for kind in Kind::BOTH {
                let requests = self.small.looks(kind, "jwt")?;
                let begin = Instant::now();
                let target = self.start(kind, self.small, "start", QUIET).await?;
                ask(target.server.address, requests).await?;
                seen.entry(kind.name())
                    .or_default()
                    .push(begin.elapsed().as_secs_f64() * 1e3);
            }
        }
        let of = |kind: Kind| Spread::of(seen.get(kind.name()).into_iter().flatten().copied());
        let figure = Figure::new("start to first answer", "ms", of(Kind::App).median);
        self.figures.push(
            figure
                .floor(of(Kind::Floor).median)
                .expect(Expected::AtMost(100.0)),
        );
        Ok(())
    }

    /// Resident memory with one hashing thread.
    pub(crate) async fn memory(&mut self) -> Result<()> {
        let mut seen: BTreeMap<&str, (f64, f64, f64)> = BTreeMap::new();
        for kind in Kind::BOTH {
            let target = self.start(kind, self.small, "memory", QUIET).await?;
            let (address, pid) = (target.server.address, target.server.pid());
            ask(address, self.small.looks(kind, "jwt")?).await?;
            sleep(Duration::from_secs(1)).await;
            let (idle, _) = resident(pid)?;
            let logins = self.small.logins(kind, "jwt")?;
            let half = self.settings.memory_logins / 2;
            run(address, logins, 0, half, FLOOD).await?;
            let (_, after_half) = resident(pid)?;
            run(address, logins, half, half, FLOOD).await?;
            let (_, after) = resident(pid)?;
            seen.insert(kind.name(), (idle, after_half, after));
        }
        let of = |kind: Kind| seen.get(kind.name()).copied().unwrap_or_default();
        let (floor, ours) = (of(Kind::Floor), of(Kind::App));
        let logins = self.settings.memory_logins;
        self.figures.extend([
            Figure::new("resident when idle", "MiB", ours.0)
                .floor(floor.0)
                .expect(Expected::AtMost(15.0)),
            Figure::new(format!("… at most in {} logins", logins / 2), "MiB", ours.1).floor(floor.1),
            Figure::new(format!("… at most in {logins} logins"), "MiB", ours.2)
                .floor(floor.2)
                .expect(Expected::AtMost(55.0)),
        ]);
        Ok(())
    }
}

/// One answer of a server, by a new connection.
async fn ask(address: std::net::SocketAddr, requests: &Requests) -> Result<Vec<u8>> {
    let mut connection = Connection::open(address).await?;
    let answer = connection
        .send(requests.first().ok_or("no requests to send")?)
        .await?;
    expect_ok(&answer)?;
    Ok(answer.body.to_vec())
}

fn compared(what: &str, floor: &[Cost], ours: &[Cost]) -> Figure {
    Figure::new(what, "µs", median(ours, Cost::total))
        .floor(median(floor, Cost::total))
        .ratio(ratios(floor, ours))
}

/// How much cheaper the first are, round by round.
fn ratios(first: &[Cost], second: &[Cost]) -> Spread {
    Spread::of(
        first
            .iter()
            .zip(second)
            .map(|(first, second)| first.total() / second.total()),
    )
}

fn median(costs: &[Cost], pick: fn(Cost) -> f64) -> f64 {
    Spread::of(costs.iter().copied().map(pick)).median
}

/// In milliseconds, of latencies in order.
fn percentile(run: &Run, percent: usize) -> f64 {
    let index = (run.latencies.len() * percent / 100).min(run.latencies.len().saturating_sub(1));
    run.latencies
        .get(index)
        .map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e3)
}
