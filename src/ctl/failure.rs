//! What goes wrong, with rabbitmqctl's exit codes (those of sysexits.h).

/// The command line is not understood.
pub const USAGE: u8 = 64;
/// An argument or the named object is not what it should be.
pub const DATA: u8 = 65;
/// No such user.
pub const NO_USER: u8 = 67;
/// The server cannot be reached, or refuses the operation.
pub const UNAVAILABLE: u8 = 69;
/// The object is there already.
pub const SOFTWARE: u8 = 70;
/// A local file cannot be read or written.
pub const INPUT_OUTPUT: u8 = 74;
/// Not finished within the time given.
pub const TEMPORARY: u8 = 75;
/// The server does not accept the user.
pub const NOT_PERMITTED: u8 = 77;

/// Why a command did not do what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// What goes to standard error.
    pub text: String,
    /// Its arguments are at fault: they and the command's usage are printed, too.
    pub arguments: bool,
}

impl Failure {
    /// The arguments are at fault.
    pub fn usage(code: u8, text: impl AsRef<str>) -> Self {
        Self {
            code,
            text: format!("Error (argument validation): {}", text.as_ref()),
            arguments: true,
        }
    }

    /// The server says no, in rabbitmqctl's form.
    pub fn error(code: u8, text: impl AsRef<str>) -> Self {
        Self::bare(code, format!("Error:\n{}", text.as_ref()))
    }

    /// A text of its own.
    pub fn bare(code: u8, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
            arguments: false,
        }
    }

    /// A vhost that is not there.
    pub fn no_vhost(name: &str) -> Self {
        Self::bare(DATA, format!("Virtual host '{name}' does not exist"))
    }

    /// A user who is not there.
    pub fn no_user(name: &str) -> Self {
        Self::error(NO_USER, format!("User \"{name}\" does not exist"))
    }
}
