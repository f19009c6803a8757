//! Which files are read, in which order, and their lines as settings. What the settings mean is not known here.
//!
//! First the main file (`--config`, else RABBITMQ_CONFIG_FILE), then RABBITMQ_CONFIG_FILES (a directory or a pattern;
//! unset, the directory `conf.d` beside the main file) in alphabetical order. What is read later wins.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::origin::{ConfigError, Origin, Setting};
use super::syntax::{self, Statement};

/// Includes within includes; more is taken for a circle.
const INCLUDE_DEPTH_MAX: usize = 8;
/// Bytes of one file. A configuration is a few KiB; this keeps a wrong name such as /dev/zero from filling memory.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// All settings of the main file and of what is merged with it.
pub fn read(main: Option<&Path>, further: Option<&str>) -> Result<Vec<Setting>, ConfigError> {
    let mut settings = Vec::new();
    if let Some(path) = main {
        let path = with_extension(path);
        if path
            .extension()
            .is_some_and(|extension| extension == "config")
        {
            let text =
                "Erlang terms are not supported: write the settings as key = value in a .conf file";
            return Err(ConfigError::new(Origin::File(path.into()), text));
        }
        read_file(&path, 0, &mut settings)?;
    }
    let merged = match (further, main) {
        (Some(further), _) => matching(further)?,
        (None, Some(main)) => {
            let beside = main.parent().unwrap_or(Path::new("")).join("conf.d");
            if beside.is_dir() {
                directory(&beside)?
            } else {
                Vec::new()
            }
        }
        (None, None) => Vec::new(),
    };
    for path in merged {
        read_file(&path, 0, &mut settings)?;
    }
    Ok(settings)
}

/// RabbitMQ lets the variable leave `.conf` out.
fn with_extension(path: &Path) -> PathBuf {
    let mut longer = path.as_os_str().to_owned();
    longer.push(".conf");
    let longer = PathBuf::from(longer);
    if !path.exists() && longer.exists() {
        longer
    } else {
        path.to_owned()
    }
}

fn read_file(path: &Path, depth: usize, settings: &mut Vec<Setting>) -> Result<(), ConfigError> {
    let shared: Arc<Path> = path.into();
    let whole = || Origin::File(shared.clone());
    let cannot_read =
        |reason: String| ConfigError::new(whole(), format!("cannot read this file: {reason}"));
    let bytes = read_bounded(path).map_err(cannot_read)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|&&byte| byte == b'\n').count();
        ConfigError::new(Origin::Line(shared.clone(), line), "not UTF-8")
    })?;
    let statements = syntax::parse(&text).map_err(|error| {
        ConfigError::new(Origin::Line(shared.clone(), error.line), error.reason)
    })?;
    for (line, statement) in statements {
        let origin = Origin::Line(shared.clone(), line);
        match statement {
            Statement::Setting { key, value } => settings.push(Setting {
                words: key,
                value,
                origin,
            }),
            Statement::Include(_) if depth == INCLUDE_DEPTH_MAX => {
                return Err(ConfigError::new(
                    origin,
                    format!("more than {INCLUDE_DEPTH_MAX} includes within each other"),
                ));
            }
            Statement::Include(name) => {
                let pattern = path.parent().unwrap_or(Path::new("")).join(&name);
                let found = matching(&pattern.to_string_lossy())?;
                if found.is_empty() && !name.contains(['*', '?']) {
                    return Err(ConfigError::new(
                        origin,
                        format!("cannot read '{name}': no such file"),
                    ));
                }
                for path in found {
                    read_file(&path, depth + 1, settings)?;
                }
            }
        }
    }
    Ok(())
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, String> {
    use std::io::Read;
    let file = fs::File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    let mut bounded = file.take(FILE_BYTES_MAX + 1);
    bounded
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("longer than {FILE_BYTES_MAX} bytes"));
    }
    Ok(bytes)
}

/// The `*.conf` files of a directory, in alphabetical order.
fn directory(path: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let mut found = children(path, "*.conf")?;
    found.sort();
    Ok(found)
}

/// The files that a directory's name or a pattern with `*` and `?` stands for, in alphabetical order.
fn matching(pattern: &str) -> Result<Vec<PathBuf>, ConfigError> {
    let path = Path::new(pattern);
    if path.is_dir() {
        return directory(path);
    }
    let mut found = vec![PathBuf::new()];
    for component in path.components() {
        let text = component.as_os_str().to_string_lossy();
        let is_pattern = matches!(component, Component::Normal(_)) && text.contains(['*', '?']);
        let mut next = Vec::new();
        for base in &found {
            if is_pattern {
                next.extend(children(base, &text)?);
            } else {
                next.push(base.join(component));
            }
        }
        found = next;
    }
    found.retain(|path| path.exists());
    found.sort();
    Ok(found)
}

fn children(directory: &Path, pattern: &str) -> Result<Vec<PathBuf>, ConfigError> {
    let place = if directory.as_os_str().is_empty() {
        Path::new(".")
    } else {
        directory
    };
    if !place.is_dir() {
        return Ok(Vec::new());
    }
    let failed = |error: std::io::Error| {
        ConfigError::new(
            Origin::File(place.into()),
            format!("cannot read this directory: {error}"),
        )
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(place).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let text = name.to_string_lossy();
        if !text.starts_with('.') && glob(pattern.as_bytes(), text.as_bytes()) {
            found.push(directory.join(&name));
        }
    }
    Ok(found)
}

/// Whether a name fits a pattern in which `*` is any run of bytes and `?` any one.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((star_p, star_n)) => {
                    star = Some((star_p, star_n + 1));
                    p = star_p + 1;
                    n = star_n + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(settings: &[Setting]) -> Vec<(String, String)> {
        settings
            .iter()
            .map(|setting| (setting.key(), setting.value.clone()))
            .collect()
    }

    fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().expect("has a parent")).expect("directory");
        fs::write(&path, text).expect("written");
        path
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }

    #[test]
    fn conf_d_beside_the_file_is_merged_in_alphabetical_order() {
        let home = tempfile::tempdir().expect("directory");
        let main = write(home.path(), "rabbitmq.conf", "a = 1\n");
        write(home.path(), "conf.d/20.conf", "a = 3");
        write(home.path(), "conf.d/10.conf", "a = 2");
        write(home.path(), "conf.d/notes.txt", "not a setting");
        write(home.path(), "conf.d/.hidden.conf", "not a setting");
        let settings = read(Some(&main), None).expect("read");
        assert_eq!(
            summary(&settings),
            pairs(&[("a", "1"), ("a", "2"), ("a", "3")])
        );
        assert_eq!(
            settings[2].origin.to_string(),
            format!("{}:1", home.path().join("conf.d/20.conf").display())
        );
    }

    #[test]
    fn config_files_may_be_a_directory_or_a_pattern_and_replaces_conf_d() {
        let home = tempfile::tempdir().expect("directory");
        let main = write(home.path(), "rabbitmq.conf", "a = 1\n");
        write(home.path(), "conf.d/10.conf", "a = 2");
        write(home.path(), "more/x1.conf", "b = 1");
        write(home.path(), "more/x2.cfg", "b = 2");
        let more = home.path().join("more");
        let text = more.to_string_lossy();
        assert_eq!(
            summary(&read(Some(&main), Some(&text)).expect("read")),
            pairs(&[("a", "1"), ("b", "1")])
        );
        let pattern = format!("{}/m*/x?.c*", home.path().display());
        assert_eq!(
            summary(&read(None, Some(&pattern)).expect("read")),
            pairs(&[("b", "1"), ("b", "2")])
        );
    }

    #[test]
    fn includes_are_read_in_place_and_circles_are_found() {
        let home = tempfile::tempdir().expect("directory");
        let main = write(home.path(), "m.conf", "a = 1\ninclude sub/*.conf\na = 3\n");
        write(home.path(), "sub/s.conf", "a = 2");
        assert_eq!(
            summary(&read(Some(&main), None).expect("read")),
            pairs(&[("a", "1"), ("a", "2"), ("a", "3")])
        );
        let circle = write(home.path(), "c.conf", "include c.conf");
        assert!(
            read(Some(&circle), None)
                .expect_err("a circle")
                .text
                .contains("includes within")
        );
        let missing = write(home.path(), "n.conf", "\ninclude nothing.conf");
        let error = read(Some(&missing), None).expect_err("missing").to_string();
        assert!(
            error.contains("n.conf:2: cannot read 'nothing.conf'"),
            "{error}"
        );
    }

    #[test]
    fn unreadable_files_and_bad_bytes_are_named() {
        let home = tempfile::tempdir().expect("directory");
        let error = read(Some(&home.path().join("none.conf")), None)
            .expect_err("missing")
            .to_string();
        assert!(
            error.contains("none.conf: cannot read this file: No such file"),
            "{error}"
        );
        let error = read(Some(home.path()), None)
            .expect_err("a directory")
            .to_string();
        assert!(error.contains("cannot read this file"), "{error}");
        let path = home.path().join("latin.conf");
        fs::write(&path, b"a = 1\nb = \xff\n").expect("written");
        let error = read(Some(&path), None).expect_err("bytes").to_string();
        assert!(error.ends_with("latin.conf:2: not UTF-8"), "{error}");
        let terms = write(home.path(), "rabbitmq.config", "[].");
        assert!(
            read(Some(&terms), None)
                .expect_err("terms")
                .text
                .contains("Erlang terms")
        );
        write(home.path(), "short.conf", "a = 1");
        assert_eq!(
            read(Some(&home.path().join("short")), None)
                .expect("read")
                .len(),
            1
        );
    }

    #[test]
    fn patterns_match_like_a_shells() {
        for (pattern, name, fits) in [
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf.bak", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("?", "", false),
            ("*", "", true),
        ] {
            assert_eq!(
                glob(pattern.as_bytes(), name.as_bytes()),
                fits,
                "{pattern} {name}"
            );
        }
    }
}
