//! Migrations.

use sea_orm_migration::prelude::*;

pub use sea_orm_migration::MigratorTrait;

/// Every migration in its order.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        Vec::new()
    }
}
