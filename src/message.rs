//! One message, as cheap to share as a pointer. How it lies in memory is nobody else's business.
