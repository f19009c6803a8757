//! The routes that one connection remembers: (exchange, routing key) to queues, while the exchanges that were asked stand as they
//! did. Direct-mapped, grows with use to a bound; the publisher decides what may be remembered.

use smallvec::SmallVec;

use super::vhost::Asked;

/// Routes that a connection remembers at most; a power of two.
const ROUTES_MAX: usize = 512;
/// Routes that it has room for at first.
const ROUTES_MIN: usize = 8;

/// The publisher's numbers of the queues of a route.
pub type Targets = SmallVec<[u32; 4]>;

#[derive(Default)]
struct Route {
    /// Exchange and routing key as they came on the wire; empty is no route.
    names: Vec<u8>,
    targets: Targets,
    asked: Asked,
    /// The round in which the versions were last compared.
    checked: u64,
}

/// See the module. Allocates nothing until the first route.
pub struct Routes {
    routes: Vec<Route>,
    hasher: ahash::RandomState,
    /// The route that was found or remembered last.
    last: usize,
}

impl Default for Routes {
    fn default() -> Self {
        Self {
            routes: Vec::new(),
            hasher: ahash::RandomState::new(),
            last: 0,
        }
    }
}

impl Routes {
    /// Whether the route of these names is remembered and still holds; [`found`](Self::found) then has its targets. The versions
    /// are compared, and the targets looked at, once in a round.
    #[inline]
    pub fn find(&mut self, names: &[u8], round: u64, is_gone: impl Fn(u32) -> bool) -> bool {
        let Some(last) = self.routes.get(self.last) else {
            return false;
        };
        if last.names != names {
            let index = self.hasher.hash_one(names) as usize & (self.routes.len() - 1);
            if self.routes[index].names != names {
                return false;
            }
            self.last = index;
        }
        let route = &mut self.routes[self.last];
        if route.checked != round {
            if route
                .asked
                .iter()
                .any(|(exchange, version)| exchange.version() != *version)
                || route.targets.iter().any(|target| is_gone(*target))
            {
                route.names.clear();
                return false;
            }
            route.checked = round;
        }
        true
    }

    /// The targets of the route that was found last.
    #[inline]
    pub fn found(&self) -> &Targets {
        &self.routes[self.last].targets
    }

    /// Remembers a route; what stood in its place is forgotten when there is no more room.
    pub fn remember(&mut self, names: &[u8], targets: &Targets, asked: Asked, round: u64) {
        if self.routes.is_empty() {
            self.routes.resize_with(ROUTES_MIN, Route::default);
        }
        let hash = self.hasher.hash_one(names) as usize;
        let mut index = hash & (self.routes.len() - 1);
        while !self.routes[index].names.is_empty() && self.routes.len() < ROUTES_MAX {
            self.grow();
            index = hash & (self.routes.len() - 1);
        }
        let route = &mut self.routes[index];
        route.names.clear();
        route.names.extend_from_slice(names);
        route.targets.clone_from(targets);
        route.asked = asked;
        route.checked = round;
        self.last = index;
    }

    fn grow(&mut self) {
        let old = std::mem::take(&mut self.routes);
        let size = (old.len() * 4).min(ROUTES_MAX);
        self.routes.resize_with(size, Route::default);
        for route in old.into_iter().filter(|route| !route.names.is_empty()) {
            let index = self.hasher.hash_one(route.names.as_slice()) as usize & (size - 1);
            self.routes[index] = route;
        }
        self.last = 0;
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.routes.clear();
        self.last = 0;
    }
}
