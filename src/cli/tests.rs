//! The command line as a person types it.

use std::path::Path;
use std::process::ExitCode;

use super::options::{Format, Keys, Sessions, Users, Verb, parse};
use super::*;

fn words(line: &str) -> Vec<OsString> {
    std::iter::once("pluginmind").chain(line.split_whitespace()).map(OsString::from).collect()
}

fn read(line: &str) -> (Options, Verb) {
    parse(words(line)).unwrap_or_else(|error| panic!("{line}: {error}"))
}

#[test]
fn without_a_verb_the_gateway_is_served() {
    let (options, verb) = read("");
    assert_eq!(verb, Verb::Serve);
    assert_eq!((options.config, options.format), (None, Format::Human));
    assert_eq!(read("-c x.toml").1, Verb::Serve);
}

#[test]
fn options_stand_before_or_after_the_verb() {
    for line in [
        "--format json -c x.toml users list",
        "users --format json list -c x.toml",
        "users list --format=json --config x.toml",
        "-c x.toml users list --format json",
    ] {
        let (options, verb) = read(line);
        assert_eq!(options.format, Format::Json, "{line}");
        assert_eq!(options.config.as_deref(), Some(Path::new("x.toml")), "{line}");
        assert_eq!(verb, Verb::Users { what: Users::List }, "{line}");
    }
}

#[test]
fn verbs_take_what_the_reference_says() {
    let add = Users::Add { name: "a@b.example".into(), roles: vec!["staff".into(), "ops".into()] };
    assert_eq!(read("users add a@b.example --role staff --role ops").1, Verb::Users { what: add });
    assert_eq!(
        read("test honeypot admin-hours").1,
        Verb::Test(options::Test {
            names: vec!["honeypot".into(), "admin-hours".into()],
            coverage: false,
            coverage_min: None,
            watch: false,
        })
    );
    let key = Keys::Create {
        name: "ci".into(),
        owner: None,
        tier: Some("gold".into()),
        scopes: vec!["read".into(), "write".into()],
        per_minute: Some(9),
        expires: Some("90d".into()),
    };
    let line = "keys create ci --tier gold --scope read --scope write --per-minute 9 --expires 90d";
    assert_eq!(read(line).1, Verb::Keys { what: key });
    let all = Sessions::Revoke { user: None, id: None, all: true };
    assert_eq!(read("sessions revoke --all").1, Verb::Sessions { what: all });
}

#[test]
fn a_wrong_command_line_ends_with_64_and_help_and_version_with_0() {
    for line in [
        "nonsense",
        "users",
        "users add",
        "status --nope",
        "status extra",
        "--format xml status",
        "sessions revoke",
        "sessions revoke --all --user a",
        "sessions revoke --id x --user a",
        "-c",
        "help",
    ] {
        assert_eq!(run_with(words(line)), Exit::Usage, "{line}");
    }
    for line in ["--help", "-h", "--version", "-V", "users --help", "users add --help"] {
        assert_eq!(run_with(words(line)), Exit::Fine, "{line}");
    }
}

#[test]
fn exits_are_the_codes_of_the_contract() {
    for (exit, code) in [(Exit::Fine, 0), (Exit::Problems, 1), (Exit::CannotRun, 2), (Exit::Usage, 64)] {
        assert_eq!(format!("{:?}", ExitCode::from(exit)), format!("{:?}", ExitCode::from(code)));
    }
}

/// Runs a verb on a config file in a folder of its own, with an admin port where nobody listens.
fn in_folder(config: &str, line: &str) -> Exit {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    std::fs::write(&file, format!("admin.listen = \"127.0.0.1:1\"\n{config}\n")).unwrap();
    let mut arguments = words(line);
    arguments.extend(["-c".into(), file.into()]);
    run_with(arguments)
}

#[test]
fn each_ending_has_its_own_exit_code() {
    for (config, line, exit) in [
        ("", "check", Exit::Fine),
        ("brust = 1", "check", Exit::Problems),
        ("admin.token_file = \"nowhere\"", "check", Exit::Problems),
        ("", "users list", Exit::Fine),
        ("", "sessions list", Exit::Fine),
        ("", "sessions list --user nobody", Exit::Problems),
        ("", "sessions revoke --all", Exit::Fine),
        ("", "sessions revoke --user nobody", Exit::Problems),
        ("", "sessions revoke --id 0", Exit::Problems),
        ("", "users disable nobody", Exit::Problems),
        ("brust = 1", "users list", Exit::Problems),
        ("", "status", Exit::CannotRun),
        ("brust = 1", "status", Exit::CannotRun),
        ("", "reload", Exit::CannotRun),
        ("", "healthcheck", Exit::Problems),
        ("", "test", Exit::Fine),
        ("", "test nobody", Exit::Problems),
        ("", "secret generate", Exit::Fine),
        ("", "docs config", Exit::Fine),
        ("", "docs api", Exit::Fine),
        ("", "docs metrics", Exit::Fine),
        ("", "docs codes", Exit::Fine),
        ("", "definitions /dev/null/x", Exit::CannotRun),
    ] {
        assert_eq!(in_folder(config, line), exit, "{line} on `{config}`");
    }
}

#[test]
fn a_config_file_that_is_not_there_cannot_be_run_with_and_healthcheck_still_ends_0_or_1() {
    for (line, exit) in [("check", 2), ("users list", 2), ("status", 2), ("healthcheck", 1)] {
        let mut arguments = words(line);
        arguments.extend(["-c".into(), "/nonexistent/config.toml".into()]);
        assert_eq!(
            format!("{:?}", ExitCode::from(run_with(arguments))),
            format!("{:?}", ExitCode::from(exit)),
            "{line}"
        );
    }
}

#[test]
fn a_database_that_somebody_holds_without_answering_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    std::fs::write(&file, "[admin]\nlisten = \"127.0.0.1:1\"\n").unwrap();
    let held = crate::store::Store::open(
        &folder.path().join("data/pluginmind.db"),
        crate::store::Options::default(),
    )
    .unwrap();
    let revoke = || {
        let mut arguments = words("sessions revoke --all");
        arguments.extend(["-c".into(), file.clone().into()]);
        run_with(arguments)
    };
    assert_eq!(revoke(), Exit::CannotRun);
    held.close(std::time::Duration::from_secs(10)).unwrap();
    drop(held);
    assert_eq!(revoke(), Exit::Fine);
}

#[test]
fn the_help_shows_every_verb() {
    let help = parse(words("--help")).unwrap_err().render().to_string();
    insta::assert_snapshot!(help, @r"
    A self-hosted security gateway: a fixed pipeline in front of your apps, scripted with rules that reload while it runs

    Usage: pluginmind [OPTIONS] [COMMAND]

    Commands:
      serve          Run the gateway (what happens without a verb)
      check          Check everything that `serve` and a reload check, without serving
      test           Run the plugins' own cases (`--format junit` too)
      new            Write a new plugin with its cases
      explain        What every stage and every rule decided about a past request, or would decide about one, without a side effect
      logs           Search the usage log, and follow it
      users          Local accounts
      keys           API keys for machines
      sessions       Who is signed in
      bans           Who is kept out
      lockdown       Incident mode: only what the configuration lists passes
      secret         The session secret
      alerts         What alerts told, and whether their receivers can be reached
      status         Ask the running gateway how it is: policy, plugins, services
      reload         Have the running gateway take over the files as they are now
      plugins        How each plugin stands: mode, files, calls, verdicts, faults, times
      promote        Show what a plugin would have refused, and switch its mode in config.toml
      config         Effective values, and where each comes from
      privacy-check  Send canaries through a private gateway with your configuration, and look for them in all that it writes
      healthcheck    Ask the running gateway whether it is ready; ends 0 or 1
      docs           Reference pages, made from the code
      definitions    Write what rules can say as `.d.rhai` files for editors

    Options:
      -c, --config <FILE>        The configuration [default: $PLUGINMIND_CONFIG, else ./config.toml, else the one in the binary]
          --format <human|json>  How results are printed [default: human]
      -h, --help                 Print help
      -V, --version              Print version

    Exit codes: 0 fine; 1 problems found; 2 cannot run; 64 wrong command line.
    ");
}
