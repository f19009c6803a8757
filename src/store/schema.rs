//! The data directory as a whole: its format's version, and what is in the way of using it.
//!
//! The file `version` holds one line, `leveret-data 1`. A directory without it is taken for ours only while it has no file of
//! another kind than ours; one of a later format is refused. Steps from older formats will stand here.

use std::io::IoSlice;

use super::disk::{Disk, Open};
use super::error::StoreError;
use super::{checkpoint, files};

/// The format that this version writes.
pub const FORMAT: u32 = 1;

const NAME: &str = "version";
const PREFIX: &str = "leveret-data ";

/// Whether it is a data directory at all.
pub fn is_there(disk: &dyn Disk) -> Result<bool, StoreError> {
    let names = disk
        .list()
        .map_err(|error| StoreError::io("cannot list", &disk.shown(""), error))?;
    Ok(names.iter().any(|name| name == NAME))
}

/// Checks the version of a data directory; `create` writes it where there is none.
pub fn check(disk: &dyn Disk, create: bool) -> Result<(), StoreError> {
    let shown = disk.shown(NAME);
    let names = disk
        .list()
        .map_err(|error| StoreError::io("cannot list", &disk.shown(""), error))?;
    if names.iter().any(|name| name == NAME) {
        let failed = |error| StoreError::io("cannot read", &shown, error);
        let file = disk.open(NAME, Open::Read).map_err(failed)?;
        let mut bytes = [0; 64];
        let read = file.read_at(&mut bytes, 0).map_err(failed)?;
        let text = String::from_utf8_lossy(&bytes[..read]);
        let format = text
            .strip_prefix(PREFIX)
            .and_then(|number| number.trim_end().parse::<u32>().ok());
        return match format {
            Some(format) if format <= FORMAT => Ok(()),
            Some(format) => Err(StoreError::new(format!(
                "{shown}: the data is of format {format}, written by a later version of Leveret; this one knows formats up to {FORMAT}"
            ))),
            // Its bytes were not synced before the power went, and so nothing else was.
            None if text.trim_matches('\0').is_empty() => write(disk, create),
            None => Err(StoreError::damage(
                "not a version of Leveret's data",
                &shown,
                0,
            )),
        };
    }
    if let Some(data) = names
        .iter()
        .find(|name| files::number(name).is_some() || checkpoint::number(name).is_some())
    {
        // The version is synced before anything else is written.
        return Err(StoreError::new(format!(
            "{shown} is missing, though there is data: {}",
            disk.shown(data)
        )));
    }
    write(disk, create)
}

fn write(disk: &dyn Disk, create: bool) -> Result<(), StoreError> {
    if !create {
        return Ok(());
    }
    let shown = disk.shown(NAME);
    let failed = |error| StoreError::io("cannot write", &shown, error);
    let _ = disk.remove(NAME);
    let file = disk.open(NAME, Open::Create).map_err(failed)?;
    let line = format!("{PREFIX}{FORMAT}\n");
    file.write_at(&[IoSlice::new(line.as_bytes())], 0)
        .map_err(failed)?;
    file.sync().map_err(failed)?;
    disk.sync_names().map_err(failed)
}
