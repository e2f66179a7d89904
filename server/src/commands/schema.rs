//! `server schema`: the SDL, as `schema.graphql` keeps it.

use super::CommandError;
use crate::graphql::schema_sdl;

pub(super) fn run() -> Result<(), CommandError> {
    print!("{}", schema_sdl());
    Ok(())
}
