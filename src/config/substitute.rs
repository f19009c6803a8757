//! `$(NAME)` in values: another key's value, else an environment variable's, as RabbitMQ replaces it.

use std::collections::BTreeMap;

use super::origin::{ConfigError, Origin, Setting};
use super::syntax;

/// Replacements in one value; more is taken for a mistake.
const REPLACEMENTS_MAX: usize = 100;

/// The value of a setting with every `$(NAME)` in it replaced. Only what stands in files is searched for them: passwords
/// from the environment or the command line are taken as they are.
pub fn resolve(
    setting: &Setting,
    settings: &BTreeMap<String, Setting>,
    environment: &BTreeMap<String, String>,
) -> Result<String, ConfigError> {
    let mut resolver = Resolver {
        settings,
        environment,
        path: Vec::new(),
        count: 0,
    };
    resolver.value(setting).map_err(|text| {
        ConfigError::new(
            setting.origin.clone(),
            format!("key '{}': {text}", setting.key()),
        )
    })
}

struct Resolver<'a> {
    settings: &'a BTreeMap<String, Setting>,
    environment: &'a BTreeMap<String, String>,
    path: Vec<String>,
    count: usize,
}

impl Resolver<'_> {
    fn value(&mut self, setting: &Setting) -> Result<String, String> {
        if !matches!(setting.origin, Origin::Line(..)) || !setting.value.contains("$(") {
            return Ok(setting.value.clone());
        }
        let key = setting.key();
        if self.path.contains(&key) {
            return Err(format!("$({key}) leads back to itself"));
        }
        self.path.push(key);
        let mut result = String::new();
        let mut rest = setting.value.as_str();
        while let Some(start) = rest.find("$(") {
            let Some(length) = rest[start + 2..].find(')') else {
                break;
            };
            let name = rest[start + 2..start + 2 + length].trim();
            result.push_str(&rest[..start]);
            result.push_str(&self.named(name)?);
            rest = &rest[start + 2 + length + 1..];
        }
        result.push_str(rest);
        self.path.pop();
        Ok(result)
    }

    fn named(&mut self, name: &str) -> Result<String, String> {
        self.count += 1;
        if self.count > REPLACEMENTS_MAX {
            return Err(format!(
                "more than {REPLACEMENTS_MAX} replacements of $(...)"
            ));
        }
        let settings = self.settings;
        let key =
            syntax::parse_assignment(&format!("{name}=")).map(|(words, _)| syntax::join(&words));
        if let Some(other) = key.and_then(|key| settings.get(&key)) {
            return self.value(other);
        }
        match self.environment.get(name) {
            Some(value) => Ok(value.clone()),
            None => Err(format!(
                "$({name}) is neither an environment variable nor a key that is set"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn resolved(lines: &[(&str, &str)], environment: &[(&str, &str)]) -> Result<String, String> {
        let settings: BTreeMap<String, Setting> = lines
            .iter()
            .enumerate()
            .map(|(index, &(key, value))| {
                let words = key.split('.').map(str::to_owned).collect();
                let origin = Origin::Line(Path::new("f").into(), index + 1);
                (
                    key.to_owned(),
                    Setting {
                        words,
                        value: value.to_owned(),
                        origin,
                    },
                )
            })
            .collect();
        let environment = environment
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        resolve(&settings[lines[0].0], &settings, &environment).map_err(|error| error.to_string())
    }

    #[test]
    fn variables_and_keys_are_replaced_anywhere_in_a_value() {
        assert_eq!(
            resolved(&[("a", "x-$(N)-$( N )")], &[("N", "1")]).as_deref(),
            Ok("x-1-1")
        );
        assert_eq!(
            resolved(&[("a", "$(b.c)/d"), ("b.c", "$(N)")], &[("N", "1")]).as_deref(),
            Ok("1/d")
        );
        assert_eq!(
            resolved(&[("a", "$(b)"), ("b", "key")], &[("b", "variable")]).as_deref(),
            Ok("key")
        );
        assert_eq!(resolved(&[("a", "$(b")], &[]).as_deref(), Ok("$(b"));
        assert_eq!(
            resolved(&[("a", "$(N)")], &[("N", "$(M)")]).as_deref(),
            Ok("$(M)")
        );
    }

    #[test]
    fn what_is_missing_or_circular_is_an_error_with_its_place() {
        assert_eq!(
            resolved(&[("a", "$(N)")], &[]).expect_err("missing"),
            "f:1: key 'a': $(N) is neither an environment variable nor a key that is set"
        );
        let error = resolved(&[("a", "$(b)"), ("b", "$(a)")], &[]).expect_err("a circle");
        assert!(error.contains("leads back to itself"), "{error}");
    }
}
