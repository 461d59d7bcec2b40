//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// A self-hosted security gateway: a fixed pipeline in front of your apps, scripted with rules that reload while it runs.
#[derive(Debug, Parser)]
#[command(name = "pluginmind", version, after_help = EXITS, disable_help_subcommand = true)]
struct CommandLine {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    verb: Option<Verb>,
}

const CONFIG: &str =
    "The configuration [default: $PLUGINMIND_CONFIG, else ./config.toml, else the one in the binary]";

const EXITS: &str = "Exit codes: 0 fine; 1 problems found; 2 cannot run; 64 wrong command line.";

/// What every verb takes, before it or after it.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The config file.
    #[arg(short, long, global = true, value_name = "FILE", help = CONFIG)]
    pub config: Option<PathBuf>,
    /// The folder that relative paths of the config file are relative to, where it is not the file's own.
    #[arg(long, global = true, value_name = "DIR", hide = true)]
    pub relative_to: Option<PathBuf>,
    /// How results are printed.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t = Format::Human,
        value_name = "human|json",
        hide_possible_values = true
    )]
    pub format: Format,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a person.
    Human,
    /// One JSON document.
    Json,
    /// `JUnit` XML, for build servers; only `test` has it.
    #[value(hide = true)]
    Junit,
    /// GitHub's workflow commands; only `check` has it.
    #[value(hide = true)]
    Github,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(super) enum Verb {
    /// Run the gateway (what happens without a verb)
    Serve,
    /// Check everything that `serve` and a reload check, without serving
    Check {
        /// Only what is wrong with this plugin
        #[arg(value_name = "PLUGIN")]
        plugin: Option<String>,
    },
    /// Run the plugins' own cases (`--format junit` too)
    Test(Test),
    /// Write a new plugin with its cases
    New {
        #[command(subcommand)]
        what: New,
    },
    /// What every stage and every rule decided about a past request, or would decide about one, without a side effect
    Explain {
        #[command(flatten)]
        asked: Box<super::explain::Asked>,
    },
    /// Search the usage log, and follow it
    Logs {
        #[command(flatten)]
        asked: Box<super::logs::Wanted>,
    },
    /// Local accounts
    Users {
        #[command(subcommand)]
        what: Users,
    },
    /// API keys for machines
    Keys {
        #[command(subcommand)]
        what: Keys,
    },
    /// Who is signed in
    Sessions {
        #[command(subcommand)]
        what: Sessions,
    },
    /// Who is kept out
    Bans {
        #[command(subcommand)]
        what: Bans,
    },
    /// Incident mode: only what the configuration lists passes
    Lockdown {
        #[command(subcommand)]
        what: Lockdown,
    },
    /// The session secret
    Secret {
        #[command(subcommand)]
        what: Secret,
    },
    /// What alerts told, and whether their receivers can be reached
    Alerts {
        #[command(subcommand)]
        what: AlertsVerb,
    },
    /// Ask the running gateway how it is: policy, plugins, services
    Status,
    /// Have the running gateway take over the files as they are now
    Reload,
    /// How each plugin stands: mode, files, calls, verdicts, faults, times
    Plugins,
    /// Show what a plugin would have refused, and switch its mode in config.toml
    Promote {
        #[command(flatten)]
        asked: super::promote::Asked,
    },
    /// Effective values, and where each comes from
    Config {
        #[command(subcommand)]
        what: Config,
    },
    /// Send canaries through a private gateway with your configuration, and look for them in all that it writes
    PrivacyCheck,
    /// Ask the running gateway whether it is ready; ends 0 or 1
    Healthcheck,
    /// Reference pages, made from the code
    Docs {
        #[command(subcommand)]
        what: Docs,
    },
    /// Write what rules can say as `.d.rhai` files for editors
    Definitions {
        /// The folder; it is made where there is none
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub(super) struct Test {
    /// Only these plugins, or only the cases of that name (`test_…`)
    #[arg(value_name = "PLUGIN")]
    pub(super) names: Vec<String>,
    /// Show which lines and codes no case reaches
    #[arg(long)]
    pub(super) coverage: bool,
    /// End 1 where less than N percent of a plugin's lines are reached
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(super) coverage_min: Option<u8>,
    /// Run again whenever a file of a plugin changes, until Ctrl-C
    #[arg(long)]
    pub(super) watch: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(super) enum New {
    /// A folder that passes `check` and `test`, ready to be changed
    Plugin {
        /// Lower-case letters, digits and `-`
        name: String,
        /// Begin with a copy of this plugin
        #[arg(long, value_name = "PLUGIN")]
        from: Option<String>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(super) enum Config {
    /// Show the values of a plugin, of a section, or of one key
    Show {
        /// A plugin, `rate_limit`, or `rate_limit.user_per_minute`
        name: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(super) enum Users {
    /// Add an account; the password comes from a prompt, or from the first line of standard input
    Add {
        /// An e-mail address or a word
        name: String,
        /// A role of the account; may stand more than once
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
    },
    /// List the accounts
    List,
    /// Give an account another password and end its sessions
    Passwd {
        /// The account's name or id
        name: String,
    },
    /// Disable an account and end its sessions
    Disable {
        /// The account's name or id
        name: String,
    },
    /// Erase a person: the account, its sessions and keys, and the id that the usage log's hashes are made of
    Forget {
        /// The account's name or id
        name: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(super) enum Keys {
    /// Make a key; it is shown this once
    Create {
        /// What operators call it
        name: String,
        /// Whose key it is: an account by name or id, with which it ends, or a word
        #[arg(long, value_name = "OWNER")]
        owner: Option<String>,
        /// A word for rules (`req.api_key.tier`)
        #[arg(long, value_name = "TIER")]
        tier: Option<String>,
        /// What counts as a role of the key; may stand more than once
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// Requests a minute, in place of a user's limit
        #[arg(long, value_name = "N")]
        per_minute: Option<i64>,
        /// For how long it is good, as `90d`; for ever where absent
        #[arg(long, value_name = "DURATION")]
        expires: Option<String>,
    },
    /// List the keys, newest first
    List,
    /// End a key, at once, in the running gateway too
    Revoke {
        /// The key's id: the part between `pm_` and the next `_`
        id: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(super) enum AlertsVerb {
    /// What was told, the newest first
    List {
        /// Only of this time, as `24h`
        #[arg(long, value_name = "DURATION")]
        since: Option<String>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: usize,
    },
    /// Send a message to every receiver, or to that of one alert; ends 1 where one fails
    Test {
        /// The alert's name
        name: Option<String>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(super) enum Sessions {
    /// List the living sessions, newest first
    List {
        /// Only those of this account
        #[arg(long, value_name = "USER")]
        user: Option<String>,
    },
    /// End sessions, at once, in the running gateway too
    #[command(group = clap::ArgGroup::new("which").required(true).multiple(false))]
    Revoke {
        /// Those of this account, by name or id
        #[arg(long, value_name = "USER", group = "which")]
        user: Option<String>,
        /// This one
        #[arg(long, value_name = "ID", group = "which")]
        id: Option<String>,
        /// All of them
        #[arg(long, group = "which")]
        all: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(super) enum Bans {
    /// List the bans that hold, newest first
    List,
    /// Keep somebody out, at once, in the running gateway too
    #[command(group = clap::ArgGroup::new("whom").required(true).multiple(false))]
    Add {
        /// An address, or a network such as 203.0.113.0/24
        #[arg(value_name = "ADDRESS", group = "whom")]
        address: Option<String>,
        /// An account, by name or id
        #[arg(long, value_name = "USER", group = "whom")]
        user: Option<String>,
        /// For how long, as `1h`; until it is revoked where absent
        #[arg(long, value_name = "DURATION")]
        ttl: Option<String>,
        /// Why; shown in lists
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Also a very wide network, or the address that you are connected from
        #[arg(long)]
        force: bool,
    },
    /// Let somebody in again, at once, in the running gateway too
    #[command(group = clap::ArgGroup::new("whom").required(true).multiple(false))]
    Revoke {
        /// The address or network, as it was banned
        #[arg(value_name = "ADDRESS", group = "whom")]
        address: Option<String>,
        /// The account, by name or id
        #[arg(long, value_name = "USER", group = "whom")]
        user: Option<String>,
        /// Everybody
        #[arg(long, group = "whom")]
        all: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(super) enum Lockdown {
    /// Let only pass what `[lockdown]` lists, at once, in the running gateway too
    On {
        /// For how long, as `30m`; until `lockdown off` where absent
        #[arg(long, value_name = "DURATION")]
        ttl: Option<String>,
        /// Why; shown in `lockdown status`
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// End it
    Off,
    /// Show whether it is on, since when and until when
    Status,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub(super) enum Secret {
    /// Print a new secret: 32 random bytes in 64 hexadecimal digits
    Generate,
    /// Put a new secret first into the file of secrets; without `--keep` every session ends
    Rotate {
        /// Let old sessions live out their time: the secrets of before still verify
        #[arg(long)]
        keep: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub(super) enum Docs {
    /// Every word of rules: hooks, verbs, values, services
    Api,
    /// Every key of config.toml
    Config,
    /// Every metric: kind, labels, meaning
    Metrics,
    /// Every code of a refusal or an end
    Codes,
}

/// Reads a command line; the first argument is the program's name.
pub(super) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<(Options, Verb), clap::Error> {
    let line = CommandLine::try_parse_from(arguments)?;
    Ok((line.options, line.verb.unwrap_or(Verb::Serve)))
}

impl Options {
    /// The config file: the one that was named, the one that is there, or none, which means the one in the binary.
    pub fn config_file(&self) -> Option<PathBuf> {
        let named = self.config.clone();
        let variable =
            || std::env::var_os("PLUGINMIND_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
        let here = || Some(PathBuf::from("config.toml")).filter(|path| path.symlink_metadata().is_ok());
        named.or_else(variable).or_else(here)
    }
}
