//! `leadline keys`: the keys of the vault and of access tokens.

use clap::{Subcommand, ValueEnum};

use super::failure::Failure;
use super::output::print;
use super::runtime::with_app;
use crate::config::Settings;
use crate::identity::{Caller, rotate_signing_key, rotate_vault_keys};

/// Put new keys in place of old ones, while servers run
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make new keys: secrets are sealed anew, access tokens signed anew; nobody is signed out
    Rotate {
        /// Which; all when left out
        #[arg(long, value_enum)]
        only: Option<Which>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Which {
    /// The data key, which secrets in the database are sealed under
    Data,
    /// The master key in its file, which data keys are sealed under
    Master,
    /// The key that signs access tokens
    Signing,
}

pub(super) fn run(arguments: &Arguments, settings: &Settings) -> Result<(), Failure> {
    let Action::Rotate { only } = arguments.action;
    let wanted = |which| only.is_none_or(|only| only == which);
    with_app(settings, async |app| {
        let operator = Caller::operator();
        if wanted(Which::Signing) {
            rotate_signing_key(app, &operator).await?;
            print("access tokens are signed with a new key; those of the old one are good until they end\n")?;
        }
        if wanted(Which::Data) || wanted(Which::Master) {
            let done = rotate_vault_keys(app, &operator, wanted(Which::Data), wanted(Which::Master)).await?;
            if wanted(Which::Data) {
                print(&format!(
                    "{} secrets are sealed under a new data key\n",
                    done.values
                ))?;
            }
            if wanted(Which::Master) {
                print(&format!(
                    "the data keys are sealed under a new master key, which stands in {}; give the other servers the same \
                     file, and keep a copy away from the database\n",
                    app.vault().master_file().display()
                ))?;
            }
        }
        Ok(())
    })
}
