//! Definitions of a broker that is not running: `leveret import|export --data-dir DIR`. `main` calls.
//!
//! An export only reads. An import is tried on a copy in memory first, so that one that fails has not changed a byte; then the
//! directory is opened as at a start, and left as at an end. A running broker's lock keeps both out.

use std::sync::Arc;

use super::core::broker_settings;
use super::storage::Storage;
use crate::auth::Users;
use crate::broker::Broker;
use crate::broker::document::Document;
use crate::broker::restore::{self, Found};
use crate::config::{Config, Sources};
use crate::store::disk::Directory;
use crate::store::{Due, Journal, recovery, schema};

/// What is declared in the data directory that the sources name, as definitions.json: all, or that of one vhost.
pub fn export(sources: Sources, vhost: Option<&str>) -> Result<String, String> {
    let config = config(sources)?;
    let broker = copy(&config)?;
    let document = match vhost {
        None => Document::of_broker(&broker, &config.cluster_name),
        Some(name) => match broker.vhost(name) {
            Some(vhost) => Document::of_vhost(&vhost),
            None => return Err(format!("Virtual host '{name}' does not exist")),
        },
    };
    let text = serde_json::to_string_pretty(&document).map_err(|error| error.to_string())?;
    Ok(text + "\n")
}

/// Brings definitions into the data directory: all, or those of a vhost into that vhost. The error names the object at fault.
pub fn import(sources: Sources, vhost: Option<&str>, text: &str) -> Result<(), String> {
    let config = config(sources)?;
    let shown = |fault: &dyn std::fmt::Display| fault.to_string();
    let document = Document::parse(text.as_bytes()).map_err(|fault| shown(&fault))?;
    let copy = copy(&config)?;
    copy.import(&document, vhost)
        .map_err(|fault| shown(&fault))?;
    drop(copy);
    let users = Arc::new(Users::new());
    let (storage, broker) = Storage::open(&config, false, broker_settings(&config)?, users)?;
    let imported = broker.import(&document, vhost);
    let receipt = broker.definitions().receipt();
    let closed = storage.close();
    imported.map_err(|fault| shown(&fault))?;
    match closed && broker.journal().is_due(receipt) == Due::Yes {
        true => Ok(()),
        false => Err(format!(
            "{}: the disk did not take what was imported",
            config.data_dir.display()
        )),
    }
}

/// What the broker that has the directory is told, too: its default vhost, default queue type and limits count for an import.
fn config(sources: Sources) -> Result<Config, String> {
    let (config, _) = Config::load(sources).map_err(|error| error.to_string())?;
    Ok(config)
}

/// A broker in memory that has the directory's definitions and none of its messages.
fn copy(config: &Config) -> Result<Arc<Broker>, String> {
    let disk = Directory::locked(&config.data_dir).map_err(|error| error.to_string())?;
    if !schema::is_there(&disk).map_err(|error| error.to_string())? {
        let shown = config.data_dir.display();
        return Err(format!("{shown} is no data directory of Leveret"));
    }
    schema::check(&disk, false).map_err(|error| error.to_string())?;
    let found = recovery::look(&disk, false).map_err(|error| error.to_string())?;
    let definitions = found.definitions.into_iter();
    let found = Found {
        definitions: definitions
            .map(|((kind, key), value)| (kind, key, value))
            .collect(),
        ledgers: Default::default(),
        seen: Default::default(),
        next_id: found.next_id,
        clean: true,
    };
    let users = Arc::new(Users::new());
    restore::open(broker_settings(config)?, users, Journal::memory(), found)
}
