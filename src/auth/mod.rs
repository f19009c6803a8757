//! Who is it, and may they do this? Users, passwords, SASL mechanisms, permissions and topic permissions, as RabbitMQ's
//! internal backend has them. No I/O: the broker keeps one [`Users`], fills it from configuration and definitions, and
//! asks it; connections turn a refusal into a reply.

mod limits;
mod mechanism;
mod password;
mod permission;
mod users;

pub use limits::UserLimits;
pub use mechanism::{Credentials, MECHANISMS, Mechanism};
pub use password::{Algorithm, BadHash, PasswordHash};
pub use permission::{BadPattern, Pattern, Permission, TopicPermission, Verb};
pub use users::{AuthError, TopicRow, User, Users};
