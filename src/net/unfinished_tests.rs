//! Tests of [`super`]: real folders.

use super::*;
