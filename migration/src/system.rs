//! What makes a function one of the few that may look across accounts, said once: it belongs to schema `system`, runs as
//! the role `system`, and nobody may call it but those it is granted to.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::ConnectionTrait;

/// One function that may look across accounts.
pub(crate) struct SystemFunction {
    /// Name and argument types, as `drop function` wants them.
    pub(crate) signature: &'static str,
    /// Who may call it.
    pub(crate) callers: &'static str,
    /// What it is for, kept in the database as its comment.
    pub(crate) purpose: &'static str,
    /// Name with argument names, result, language and body: what follows `create function system.`.
    pub(crate) definition: &'static str,
}

impl SystemFunction {
    /// Grants come before the change of owner: afterwards the migrating user may no longer give them.
    fn create(&self) -> String {
        let Self {
            signature,
            callers,
            purpose,
            definition,
        } = self;
        format!(
            "
            create function system.{definition};
            comment on function system.{signature} is '{purpose}';
            revoke all on function system.{signature} from public;
            grant execute on function system.{signature} to {callers};
            alter function system.{signature} security definer;
            alter function system.{signature} set search_path = '';
            alter function system.{signature} owner to system;
            "
        )
    }
}

/// Makes the functions, in order.
pub(crate) async fn create_functions<C: ConnectionTrait>(
    connection: &C,
    functions: &[SystemFunction],
) -> Result<(), DbErr> {
    connection
        .execute_unprepared("grant create on schema system to system")
        .await?;
    for function in functions {
        connection.execute_unprepared(&function.create()).await?;
    }
    connection
        .execute_unprepared("revoke create on schema system from system")
        .await?;
    Ok(())
}

/// Takes the functions back, the last one first.
pub(crate) async fn drop_functions<C: ConnectionTrait>(
    connection: &C,
    functions: &[SystemFunction],
) -> Result<(), DbErr> {
    for function in functions.iter().rev() {
        let signature = function.signature;
        connection
            .execute_unprepared(&format!("drop function system.{signature}"))
            .await?;
    }
    Ok(())
}
