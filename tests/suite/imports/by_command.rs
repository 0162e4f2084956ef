//! `leadline import`: what it prints, the report file, exit codes.

use entity::lead;
use sea_orm::{EntityTrait as _, PaginatorTrait as _};
use serde_json::json;

use super::{count, many_leads, write};
use crate::support::{Database, Process, Server, Setup, command, until};

const LEADS: &str = "email;Nome;origem;shoe\n\
    ana@example.com;Ana Souza;social;1\n\
    no address;Ben;paid;2\n\
    cleo@example.com;Cleo;\"a;b\";3\n";
const MAP: &str = "display_name=Nome,source=origem";

on_both! {
    async fn a_dry_run_shows_what_would_land_and_writes_nothing(database: &Database) {
        let file = write(database, "leads.csv", LEADS).display().to_string();
        let said = command(database, &["import", "leads", &file, "--map", MAP, "--dry-run"]);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
        let (report, reason) = said.out.rsplit_once("`no address`: ").expect("the bad row is shown last");
        assert_eq!(report, format!(
            "{file}: CSV, UTF-8, semicolon\n\
            3 rows, 2 of them good; nothing was written\n\n\
            as they would land:\n  \
              line 2: email=ana@example.com  display_name=Ana Souza  source=social\n  \
              line 4: email=cleo@example.com  display_name=Cleo  source=a;b\n\n\
            columns that nothing uses:\n  `shoe`\n\n\
            bad rows: 1\n  line 3, column `email`: "
        ));
        assert!(reason.contains('@'), "{reason}");
        for (what, file, line) in [
            ("engagements", "email,type,date\na@example.com,PAGE_VIEWED,2026-01-02\n",
                "  line 2: email=a@example.com  type=PAGE_VIEWED  occurred_at=2026-01-02T00:00:00Z\n"),
            ("conversions", "email,type,date,value,currency\na@example.com,PURCHASE,2026-01-02,5.5,EUR\n",
                "  line 2: email=a@example.com  kind=PURCHASE  occurred_at=2026-01-02T00:00:00Z  value=5.50 EUR  currency=EUR\n"),
        ] {
            let file = write(database, what, file).display().to_string();
            let said = command(database, &["import", what, &file, "--dry-run"]);
            assert_eq!(said.code, Some(0), "{said:?}");
            assert!(said.out.ends_with(&format!("1 row, 1 of them good; nothing was written\n\nas they would land:\n{line}")), "{said:?}");
        }
        let server = Server::start(database, Setup::default()).await;
        assert_eq!(count(&server, json!({})).await, 0);
    }

    async fn an_import_reports_its_figures_and_what_it_rejected(database: &Database) {
        let file = write(database, "leads.csv", LEADS).display().to_string();
        let report = database.folder().join("rejected.csv").display().to_string();
        let said = command(database, &["import", "leads", &file, "--map", MAP, "--rejected", &report]);
        assert_eq!((said.code, said.err.as_str()), (Some(0), "not imported, since no target takes them: columns `shoe`\n"), "{said:?}");
        let lines: Vec<&str> = said.out.lines().collect();
        assert_eq!(lines[0], "3 rows: 2 leads created, 0 updated, 0 unchanged, 1 rejected");
        assert!(lines[1].starts_with("  line 3, column `email`: `no address`: "), "{said:?}");
        assert_eq!(lines[2], format!("all rejected rows: {report}"));
        assert_eq!(lines[3..], ["journeys, stages and scores follow as soon as `leadline serve` or `leadline worker` runs"]);
        let written = std::fs::read_to_string(&report).expect("it is written");
        let rows: Vec<&str> = written.lines().collect();
        assert_eq!((rows[0], rows.len()), ("line,column,value,reason", 2));
        assert!(rows[1].starts_with("3,email,no address,"), "{rows:?}");

        let one = write(database, "one.csv", "email\nida@example.com\n").display().to_string();
        let said = command(database, &["import", "leads", &one]);
        assert!(said.out.starts_with("1 row: 1 lead created, 0 updated, 0 unchanged, 0 rejected\n"), "{said:?}");

        let engagements = "email,type,date,revenue,currency\n\
            ana@example.com,PURCHASE_MADE,2026-01-02,5.50,EUR\n\
            ana@example.com,DANCED,2026-01-02,,\n\
            who@example.com,PAGE_VIEWED,2026-01-02,,\n";
        let conversions = "email,kind,date,value,currency\n\
            ana@example.com,CUSTOMER,2026-01-02,5.50,EUR\n\
            ana@example.com,CUSTOMER,2026-01-02,-5.50,EUR\n\
            who@example.com,CUSTOMER,2026-01-02,,\n";
        for (what, file, first, second) in [
            ("engagements", engagements, "  line 3, column `type`: `DANCED`: ",
                "  line 4, column `email`: `who@example.com`: there is no lead with the e-mail `who@example.com`"),
            ("conversions", conversions, "  line 3, column `value`: `-5.50 EUR`: the value of a conversion is not negative",
                "  line 4, column `email`: `who@example.com`: there is no lead with the e-mail `who@example.com`"),
        ] {
            let file = write(database, what, file).display().to_string();
            let said = command(database, &["import", what, &file, "--rejected", &report]);
            assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
            let lines: Vec<&str> = said.out.lines().collect();
            let one = what.strip_suffix('s').expect("a plural");
            assert_eq!(lines[0], format!("3 rows: 1 {one} created, 0 updated, 0 unchanged, 2 rejected"));
            assert!(lines[1].starts_with(first), "{said:?}");
            assert_eq!(lines[2], second);
            assert_eq!(std::fs::read_to_string(&report).expect("it is written").lines().count(), 3);
            let again = command(database, &["import", what, &file]);
            assert!(again.out.starts_with(&format!("3 rows: 0 {what} created, 0 updated, 1 unchanged, 2 rejected\n")), "{again:?}");
        }
    }

    async fn wrong_usage_is_one_line_and_exit_code_2(database: &Database) {
        let file = write(database, "leads.csv", LEADS).display().to_string();
        let header = write(database, "header.csv", "email,name\n").display().to_string();
        let nowhere = database.folder().join("nowhere.csv").display().to_string();
        let json = write(database, "leads.ndjson", "{\"external_id.olist\":\"dac32\"}\n").display().to_string();
        let not_read = format!("error: `{json}`: the file is JSON, which is not read: export it as CSV or Excel (.xlsx)");
        for (arguments, message) in [
            (&["leads", file.as_str(), "--map", "emial=email"][..],
                format!("error: `{file}`: unknown target `emial` for leads (did you mean `email`?); one of external_id, external_id.<namespace>, email, phone")),
            (&["leads", &file, "--map", "phone=telefone"],
                format!("error: `{file}`: the file has no column `telefone`; its columns are: email, Nome, origem, shoe")),
            (&["leads", &file, "--map", "email"], "error: --map: cannot read the mapping `email`: a `=` is missing".to_owned()),
            (&["conversions", &file, "--default", "kind"], "error: --default: cannot read the mapping `kind`".to_owned()),
            (&["conversions", &file, "--default", "kind=WON"], format!("error: `{file}`: importing conversions needs occurred_at")),
            (&["leads", &file, "--delimiter", "colon"],
                "error: --delimiter: unknown delimiter `colon`; one of comma, semicolon, tab, pipe".to_owned()),
            (&["leads", &file, "--date-format", "us"], "error: --date-format: ".to_owned()),
            (&["leads", &file, "--phone-region", "Brazil"], "error: --phone-region: ".to_owned()),
            (&["leads", &file, "--namespace", "my shop"], "error: --namespace: `my shop` is not a namespace: expected 1 to 100 letters, ".to_owned()),
            (&["leads", &file, "--sheet", "x"], format!("error: `{file}`: the file is CSV and has no sheets: leave out the sheet `x`")),
            (&["leads", &json], not_read.clone()),
            (&["engagements", &json], not_read.clone()),
            (&["conversions", &json], not_read),
            (&["leads", &header], format!("error: `{header}`: the file has no rows")),
            (&["leads", &nowhere], format!("error: `{nowhere}`: cannot read the file: No such file")),
            (&["leads", &file, "--map", "custom.size=shoe"],
                "error: unknown custom field `size`; none is defined yet (`customFieldCreate` makes one); or say custom.size=".to_owned()),
        ] {
            let all: Vec<&str> = std::iter::once("import").chain(arguments.iter().copied()).collect();
            let said = command(database, &all);
            assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{said:?}");
            let mut lines = said.err.lines().filter(|line| !line.starts_with("not imported"));
            let first = lines.next().expect("a line");
            assert!(first.starts_with(&message), "{said:?}");
            assert!(lines.all(|line| line.starts_with("hint: ")), "{said:?}");
        }
    }

    async fn what_fails_at_work_has_exit_code_1(database: &Database) {
        let file = write(database, "leads.csv", "email\nno address\nnone either\n").display().to_string();
        let said = command(database, &["import", "leads", &file]);
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.out.starts_with("2 rows: 0 leads created, 0 updated, 0 unchanged, 2 rejected\n"), "{said:?}");
        assert!(said.err.starts_with("error: every row was rejected: no leads were imported\nhint: "), "{said:?}");
        let said = command(database, &["import", "leads", &file, "--rejected", "/dev/full"]);
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.err.starts_with("error: cannot write the rejected rows to `/dev/full`: "), "{said:?}");
        let folder = database.folder().display().to_string();
        let said = command(database, &["import", "leads", &file, "--rejected", &folder]);
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.err.starts_with(&format!("error: cannot write `{folder}`: ")), "{said:?}");
    }

    async fn a_command_that_is_asked_to_end_does_so_after_its_batch(database: &Database) {
        const ROWS: u64 = 12_000;
        let db = database.open().await;
        let there = async || lead::Entity::find().count(db.read()).await.expect("it can be read");
        let file = many_leads(usize::try_from(ROWS).expect("small"));
        let file = write(database, "leads.csv", file).display().to_string();
        let process = Process::start(database, &["import", "leads", &file]);
        until("some of it is in", async || there().await > 0).await;
        assert_eq!(process.end(), Some(1));
        let found = there().await;
        assert!(found < ROWS && found.is_multiple_of(1_000), "{found} is not a number of whole batches");
        let said = command(database, &["import", "leads", &file]);
        let first = format!("{ROWS} rows: {} leads created, 0 updated, {found} unchanged, 0 rejected\n", ROWS - found);
        assert!(said.out.starts_with(&first), "{first}{said:?}");
        assert_eq!(there().await, ROWS);
        db.close().await.expect("it closes");
    }
}
