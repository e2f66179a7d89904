//! The one list of what may be done, and by whom.

use crate::domain::ids::Role;

/// Something a viewer may or may not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Look at numbers, orders, ads, and how the links are doing.
    ReadKpis,
    /// Queue, cancel and retry syncs.
    Sync,
    /// See what providers delivered to the webhooks.
    ReadDeliveries,
    /// Connect and disconnect stores and ad accounts.
    ManageConnections,
    /// Make and revoke API tokens.
    ManageTokens,
    /// Invite users and change their roles.
    ManageUsers,
    /// Change the account's name, time zone and settings.
    ManageAccount,
}

impl Action {
    /// The least role that may do it.
    pub fn least_role(self) -> Role {
        match self {
            Self::ReadKpis => Role::Viewer,
            Self::Sync => Role::Analyst,
            Self::ReadDeliveries
            | Self::ManageConnections
            | Self::ManageTokens
            | Self::ManageUsers
            | Self::ManageAccount => Role::Admin,
        }
    }

    /// The scope that an API token limited by scopes needs for it.
    pub fn scope(self) -> &'static str {
        match self {
            Self::ReadKpis => "kpi:read",
            Self::Sync => "sync:write",
            Self::ReadDeliveries => "deliveries:read",
            Self::ManageConnections => "connections:write",
            Self::ManageTokens => "tokens:write",
            Self::ManageUsers => "users:write",
            Self::ManageAccount => "account:write",
        }
    }
}

/// Every scope that a token may be limited to.
pub const SCOPES: [&str; 7] = [
    "kpi:read",
    "sync:write",
    "deliveries:read",
    "connections:write",
    "tokens:write",
    "users:write",
    "account:write",
];

/// Roles form a ladder: each may do all that the ones below it may.
pub(super) fn rank(role: Role) -> u8 {
    match role {
        Role::Viewer => 0,
        Role::Analyst => 1,
        Role::Admin => 2,
        Role::Owner => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTIONS: [Action; 7] = [
        Action::ReadKpis,
        Action::Sync,
        Action::ReadDeliveries,
        Action::ManageConnections,
        Action::ManageTokens,
        Action::ManageUsers,
        Action::ManageAccount,
    ];

    #[test]
    fn every_action_has_a_scope_of_its_own_and_the_list_names_all() {
        let mut scopes: Vec<&str> = ACTIONS.iter().map(|action| action.scope()).collect();
        assert_eq!(scopes, SCOPES);
        scopes.sort_unstable();
        scopes.dedup();
        assert_eq!(scopes.len(), ACTIONS.len());
    }
}
