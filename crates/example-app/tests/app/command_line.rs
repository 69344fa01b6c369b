//! The command line.

use std::{fs, process::Command};

use axum_users::connect;
use sea_orm::ConnectionTrait;

use crate::harness::{EMAIL, PASSWORD, Place, count};

/// What the program writes before it ends well.
fn output(command: &mut Command) -> String {
    let ended = command.output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    String::from_utf8(ended.stdout).unwrap()
}

/// Runs the printed statements on a new database, and then the program itself.
async fn runs_what_it_prints(place: Option<Place>) {
    let Some(place) = place else {
        return;
    };
    let script = output(&mut place.program(&["migrate", "--print"], &[]));
    assert_eq!(
        fs::read_dir(&place.folder).unwrap().count(),
        0,
        "no database is touched"
    );
    let db = connect(&place.url).await.unwrap();
    db.execute_unprepared(&script).await.unwrap();
    let superuser = [("SUPERUSER_EMAIL", EMAIL), ("SUPERUSER_PASSWORD", PASSWORD)];
    let made = output(&mut place.program(&["create-superuser"], &superuser));
    assert_eq!(made, "the superuser was made\n");
    assert_eq!(count(&db, "account").await, 1);
    let again = output(&mut place.program(&["migrate"], &[]));
    assert_eq!(again, "0 migrations ran\n");
    db.close().await.unwrap();
    place.drop().await;
}

#[tokio::test]
async fn printed_statements_run_on_sqlite() {
    runs_what_it_prints(Place::sqlite()).await;
}

#[tokio::test]
async fn printed_statements_run_on_postgres() {
    runs_what_it_prints(Place::postgres().await).await;
}

#[tokio::test]
async fn printed_statements_run_on_mariadb() {
    runs_what_it_prints(Place::mariadb().await).await;
}
