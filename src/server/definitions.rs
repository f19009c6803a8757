//! `load_definitions`: files of RabbitMQ's definitions that are imported at every start, before anybody can connect. `core` calls.
//!
//! A directory stands for its `*.json` files in the order of their names. The first fault stops the start; its file and object are
//! named.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tracing::info;

use crate::broker::Broker;
use crate::broker::document::{Document, IMPORTED_HASH};
use crate::config::Definitions;

/// Bytes of one file: more than a hundred thousand queues need.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// Imports what the configuration names.
pub fn import(broker: &Broker, definitions: &Definitions) -> Result<(), String> {
    let mut texts = Vec::new();
    for path in files(&definitions.paths)? {
        let text = read(&path).map_err(|why| format!("definitions {}: {why}", path.display()))?;
        texts.push((path, text));
    }
    let hash = hash(&texts);
    let last = broker.global_parameter(IMPORTED_HASH);
    if definitions.skip_if_unchanged && last == Some(Value::String(hash.clone())) {
        info!("definitions: unchanged since the last import");
        return Ok(());
    }
    for (path, text) in texts {
        let named = |error| format!("definitions {}: {error}", path.display());
        let document = Document::parse(&text).map_err(named)?;
        broker.import(&document, None).map_err(named)?;
        info!("definitions {}: imported", path.display());
    }
    if definitions.skip_if_unchanged {
        let put = broker.put_global_parameter(IMPORTED_HASH, Value::String(hash));
        put.map_err(|denied| denied.to_string())?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > FILE_BYTES_MAX {
        return Err(format!("larger than {FILE_BYTES_MAX} bytes"));
    }
    fs::read(path).map_err(|error| error.to_string())
}

/// The files that the paths name, directories resolved.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let named = |error| format!("definitions {}: {error}", path.display());
        let mut inside = Vec::new();
        for entry in fs::read_dir(path).map_err(named)? {
            let file = entry.map_err(named)?.path();
            if file
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                inside.push(file);
            }
        }
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

fn hash(texts: &[(PathBuf, Vec<u8>)]) -> String {
    let mut digest = Sha256::new();
    for (_, text) in texts {
        digest.update((text.len() as u64).to_le_bytes());
        digest.update(text);
    }
    let bytes = digest.finalize();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
