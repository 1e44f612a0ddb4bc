//! What `--help` says.

use crate::program::run;
use crate::support::assert_answer;

#[tokio::test]
async fn the_help_names_each_flag_with_its_variable_and_its_default() {
    let (code, help, _) = run(&["--help"], &[]).await;
    assert_eq!(code, 0);
    assert_answer!(help, @r#"
    A GraphQL API server for articles, on SQLite or PostgreSQL

    Usage: broadsheet [OPTIONS]
           broadsheet <COMMAND>

    Commands:
      serve        Serve the API (what happens without a command, too)
      migrate      Apply or revert the migrations of the database, or show them
      feed         Look after the change feed
      check        Look whether the database is in order: tables, feed, slugs, search
      reindex      Index all articles for the search again, in batches, while servers go on
      backup       Copy an SQLite database, which may be served meanwhile, into a file that is checked
      restore      Make the SQLite database of a backup
      import       Import articles from a file
      export       Export all articles, ordered by id, into a file
      seed         Create articles for a demonstration
      token        Make, list and check static tokens
      schema       Print the GraphQL schema
      config       Print the settings that a server would have, and where each comes from
      completions  Print the script by which a shell completes commands
      man          Print the manual page
      help         Print this message or the help of the given subcommand(s)

    Options:
          --host <ADDRESS>
              The address to listen on, or localhost; 0.0.0.0 for all
              
              [env: HOST=]
              [default: 127.0.0.1]

          --port <PORT>
              The port to listen on; 0 for any that is free
              
              [env: PORT=]
              [default: 8000]

          --allowed-hosts <HOSTS>
              Hosts for which requests are answered, separated by commas, such as api.example.com;
              others get 421, and * means any [default: on a loopback address its own names, else any]
              
              [env: ALLOWED_HOSTS=]

          --admin-address <ADDRESS:PORT>
              Where /health/* and /metrics are served for those who watch the server, such as
              127.0.0.1:9100; /metrics is nowhere else then
              
              [env: ADMIN_ADDRESS=]

          --service-name <NAME>
              The name of the service, on its page and in its logs
              
              [env: SERVICE_NAME=]
              [default: Broadsheet]

          --description <TEXT>
              A sentence about the service, on its page
              
              [env: DESCRIPTION=]
              [default: "A GraphQL API for articles"]

          --request-timeout <TIME>
              How long a query may take, and the body of a request to arrive
              
              [env: REQUEST_TIMEOUT=]
              [default: 30s]

          --max-concurrent-operations <NUMBER>
              Queries that are executed at a time, and as many mutations; others wait for their turn; 0
              for no limit [default: 26 for each connection to the database]
              
              [env: MAX_CONCURRENT_OPERATIONS=]

          --operation-wait <TIME>
              How long an operation waits for its turn; then 503
              
              [env: OPERATION_WAIT=]
              [default: 1s]

          --stop-timeout <TIME>
              How long the server, told to stop, waits for what is under way
              
              [env: STOP_TIMEOUT=]
              [default: 30s]

          --write-timeout <TIME>
              How long a connection may take nothing of what is written to it, until it is cut off; 0s
              for ever
              
              [env: WRITE_TIMEOUT=]
              [default: 60s]

          --change-retention <TIME>
              How long changes stay in the feed
              
              [env: CHANGE_RETENTION=]
              [default: 7days]

          --idempotency-retention <TIME>
              How long the answer to a mutation with an Idempotency-Key is kept
              
              [env: IDEMPOTENCY_RETENTION=]
              [default: 24h]

          --max-body-bytes <BYTES>
              The largest body of a request, in bytes, after decompression
              
              [env: MAX_BODY_BYTES=]
              [default: 2097152]

          --cors-origins <ORIGINS>
              Origins, such as <https://example.com>, whose pages may read the answers and open
              WebSockets, separated by commas; * for all [default: none but this server's own]
              
              [env: CORS_ORIGINS=]

          --cache-control <DIRECTIVES>
              Cache-Control of a query by GET that succeeds: for a CDN in front, such as "public,
              max-age=5, stale-while-revalidate=30". Answers to a request with a token stay private,
              errors are never stored
              
              [env: CACHE_CONTROL=]
              [default: "private, no-cache"]

          --tls-cert <PATH>
              A certificate and those between it and its authority, in PEM form: HTTPS is served instead
              of HTTP, with HTTP/2 and HTTP/1.1; read again on SIGHUP and when it changes
              
              [env: TLS_CERT=]

          --tls-key <PATH>
              The private key of the certificate, in PEM form, in a file that others cannot read
              
              [env: TLS_KEY=]

      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version

    Who may do what:
          --tokens-file <PATH>
              The file of the static tokens, as `broadsheet token new` makes them; SIGHUP reads it again
              
              [env: TOKENS_FILE=]

          --anonymous-reads <BOOL>
              Whether callers without a token may read
              
              [env: ANONYMOUS_READS=]
              [default: true]
              [possible values: true, false]

          --anonymous-writes <BOOL>
              Whether callers without a token may write [default: true on a loopback address with no
              tokens, no JWTs and anonymous reads, else false]
              
              [env: ANONYMOUS_WRITES=]
              [possible values: true, false]

    JWTs:
          --jwt-issuer <TEXT>
              The issuer that JWTs must name (iss) [default: any, if there is one key set]
              
              [env: JWT_ISSUER=]

          --jwt-audience <TEXTS>
              Audiences, separated by commas, of which JWTs must name one (aud) [default: any]
              
              [env: JWT_AUDIENCE=]

          --jwt-jwks <URL|PATH>
              The issuer's public keys (JWKS): an HTTPS address, HTTP on a loopback address, or a file,
              which SIGHUP reads again
              
              [env: JWT_JWKS=]

          --jwt-secret <SECRET>
              A secret of 32 bytes or more that is shared with the issuer, instead of public keys
              (HS256)
              
              [env: JWT_SECRET]

          --jwt-secret-file <PATH>
              A file with that secret, which others may not read; SIGHUP reads it again
              
              [env: JWT_SECRET_FILE=]

          --jwt-scopes-claim <PATH>
              The claim of JWTs that holds their scopes, dots leading inwards [default: scope, scp,
              scopes and permissions]
              
              [env: JWT_SCOPES_CLAIM=]

          --jwt-clock-skew <TIME>
              By how much the clocks of issuers may differ from ours
              
              [env: JWT_CLOCK_SKEW=]
              [default: 30s]

          --jwt-issuers <PATH>
              A TOML file with more issuers: `[[issuer]]` with issuer, audience, jwks or `secret_file`,
              and `scopes_claim`
              
              [env: JWT_ISSUERS=]

    Limits on callers:
          --max-connections <NUMBER>
              Connections at a time; then no more are accepted; 0 for no limit
              
              [env: MAX_CONNECTIONS=]
              [default: 10000]

          --max-connections-per-address <NUMBER>
              Connections of one address at a time, but for trusted proxies; then its next ones are
              closed; 0 for no limit
              
              [env: MAX_CONNECTIONS_PER_ADDRESS=]
              [default: 1000]

          --max-streams <NUMBER>
              WebSockets and event streams at a time; then 503; 0 for no limit
              
              [env: MAX_STREAMS=]
              [default: 5000]

          --max-streams-per-caller <NUMBER>
              WebSockets and event streams of one caller at a time; then 429; 0 for no limit
              
              [env: MAX_STREAMS_PER_CALLER=]
              [default: 100]

          --max-concurrent-body-bytes <BYTES>
              Bytes of requests that are being read or executed at a time, and of larger responses that
              are being sent; then 503; 0 for no limit
              
              [env: MAX_CONCURRENT_BODY_BYTES=]
              [default: 268435456]

          --cost-per-minute <COST>
              What a caller may spend in a minute, as the complexity of its operations counts it, and 1
              for each; then 429; 0 for no limit
              
              [env: COST_PER_MINUTE=]
              [default: 0]

          --trusted-proxies <NETWORKS>
              Proxies whose X-Forwarded-For is believed: addresses or networks such as 10.0.0.0/8,
              separated by commas
              
              [env: TRUSTED_PROXIES=]

          --limits-mode <MODE>
              What happens beyond a limit on callers

              Possible values:
              - enforce: It is rejected
              - measure: It is counted in metrics, and not rejected
              
              [env: LIMITS_MODE=]
              [default: enforce]

    Persisted operations:
          --persisted-queries-bytes <BYTES>
              Memory for automatic persisted queries, in bytes; 0 turns them off
              
              [env: PERSISTED_QUERIES_BYTES=]
              [default: 8388608]

          --trusted-documents <PATH>
              A manifest of trusted documents, as graphql-codegen, Relay or Apollo's tools write it;
              SIGHUP reads it again
              
              [env: TRUSTED_DOCUMENTS=]

          --trusted-documents-mode <MODE>
              What the manifest decides [default: prefer where there is one, else off]

              Possible values:
              - off:    Nothing: it is not read
              - prefer: Its documents can be asked for by their ids; any other document is served too
              - only:   Nothing but its documents is served
              
              [env: TRUSTED_DOCUMENTS_MODE=]

    Limits:
          --max-tokens <COUNT>
              Tokens of a document
              
              [env: MAX_TOKENS=]
              [default: 15000]

          --max-nesting <COUNT>
              Nesting of brackets in a document
              
              [env: MAX_NESTING=]
              [default: 64]

          --max-selections <COUNT>
              Selections of a document after its fragments are expanded
              
              [env: MAX_SELECTIONS=]
              [default: 5000]

          --max-depth <COUNT>
              Depth of the fields of an operation, introspection exempt
              
              [env: MAX_DEPTH=]
              [default: 16]

          --max-aliases <COUNT>
              Aliases of an operation
              
              [env: MAX_ALIASES=]
              [default: 50]

          --max-root-fields <COUNT>
              Fields at the root of an operation
              
              [env: MAX_ROOT_FIELDS=]
              [default: 50]

          --max-directives <COUNT>
              Directives on one place
              
              [env: MAX_DIRECTIVES=]
              [default: 10]

          --max-complexity <COUNT>
              Complexity of an operation: 1 a field, those of a list times the size of its page
              
              [env: MAX_COMPLEXITY=]
              [default: 20000]

          --max-filter-conditions <COUNT>
              Conditions of a filter
              
              [env: MAX_FILTER_CONDITIONS=]
              [default: 200]

          --max-filter-values <COUNT>
              Values of a list in a filter
              
              [env: MAX_FILTER_VALUES=]
              [default: 1000]

          --max-filter-nesting <COUNT>
              Nesting of and, or and not in a filter
              
              [env: MAX_FILTER_NESTING=]
              [default: 10]

          --max-response-bytes <BYTES>
              The largest response, in bytes, and the largest event of a subscription
              
              [env: MAX_RESPONSE_BYTES=]
              [default: 33554432]

          --document-cache-bytes <BYTES>
              Memory for documents that were parsed, in bytes; an eighth as much again is for requests
              that repeat
              
              [env: DOCUMENT_CACHE_BYTES=]
              [default: 33554432]

          --introspection [<BOOL>]
              Whether clients may ask for the schema
              
              [env: INTROSPECTION=]
              [default: true]
              [possible values: true, false]

    Observability:
          --log-requests [<BOOL>]
              Log a line for each request, and for each operation on a WebSocket
              
              [env: LOG_REQUESTS=]
              [default: false]
              [possible values: true, false]

          --log-slow-operations <TIME>
              Log operations that take this long or longer, with their slowest statement; 0s for none
              
              [env: LOG_SLOW_OPERATIONS=]
              [default: 1s]

          --server-timing [<BOOL>]
              Tell all callers by the header Server-Timing how long the parts of their requests took,
              and not only those whose token has the scope server:timing
              
              [env: SERVER_TIMING=]
              [default: false]
              [possible values: true, false]

          --otel-exporter-otlp-endpoint <URL>
              Send traces of requests to this OpenTelemetry collector by OTLP over HTTP, such as
              http://127.0.0.1:4318
              
              [env: OTEL_EXPORTER_OTLP_ENDPOINT]

          --otel-exporter-otlp-headers <HEADERS>
              Headers for the collector, such as a key: NAME=VALUE,NAME=VALUE
              
              [env: OTEL_EXPORTER_OTLP_HEADERS]

          --otel-service-name <NAME>
              The name of the service in traces
              
              [env: OTEL_SERVICE_NAME=]
              [default: broadsheet]

          --otel-traces-sampler <SAMPLER>
              Which requests are traced: always_on, always_off, traceidratio, or the same after
              parentbased_
              
              [env: OTEL_TRACES_SAMPLER=]
              [default: parentbased_always_on]

          --otel-traces-sampler-arg <RATIO>
              Which part of the requests traceidratio traces, from 0 to 1
              
              [env: OTEL_TRACES_SAMPLER_ARG=]
              [default: 1]

    Database:
          --database-url <URL>
              sqlite:PATH, sqlite::memory: or
              `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full`
              
              [env: DATABASE_URL]
              [default: sqlite:broadsheet.db]

          --db-min-size <COUNT>
              Connections that are opened at start and kept (PostgreSQL)
              
              [env: DB_MIN_SIZE=]
              [default: 1]

          --db-max-size <COUNT>
              The largest number of connections; on SQLite, of readers
              
              [env: DB_MAX_SIZE=]
              [default: 10]

          --db-force-roll-back [<BOOL>]
              Roll all writes back when the server stops: a sandbox on one connection, not for a
              database that others use
              
              [env: DB_FORCE_ROLL_BACK=]
              [default: false]
              [possible values: true, false]

          --db-start-timeout <TIME>
              How long the server waits at start for a database that is not there yet
              
              [env: DB_START_TIMEOUT=]
              [default: 60s]

          --db-connect-timeout <TIME>
              How long opening a connection may take
              
              [env: DB_CONNECT_TIMEOUT=]
              [default: 5s]

          --db-wait-timeout <TIME>
              How long a request waits for a free connection
              
              [env: DB_WAIT_TIMEOUT=]
              [default: 3s]

          --db-statement-timeout <TIME>
              How long a statement may take; 0s for no limit
              
              [env: DB_STATEMENT_TIMEOUT=]
              [default: 10s]

          --db-lock-timeout <TIME>
              How long a statement waits for a lock (PostgreSQL)
              
              [env: DB_LOCK_TIMEOUT=]
              [default: 5s]

          --no-migrate [<BOOL>]
              Do not apply pending migrations at start
              
              [env: NO_MIGRATE=]
              [default: false]
              [possible values: true, false]

    Log:
          --debug [<BOOL>]
              Log in detail what Broadsheet does: for development
              
              [env: DEBUG=]
              [default: false]
              [possible values: true, false]

          --log <FILTER>
              What to log, such as info, or warn,broadsheet=debug [default: info, with --debug
              broadsheet=debug,info]
              
              [env: LOG=]

          --log-format <FORMAT>
              The form of the log's lines

              Possible values:
              - text: For people
              - json: For machines: an object a line
              
              [env: LOG_FORMAT=]
              [default: text]
    "#);
}

#[tokio::test]
async fn the_help_of_migrate_names_its_actions() {
    let (code, help, _) = run(&["migrate", "-h"], &[]).await;
    assert_eq!(code, 0);
    assert_answer!(help, @"
    Apply or revert the migrations of the database, or show them

    Usage: broadsheet migrate [OPTIONS] [ACTION]

    Arguments:
      [ACTION]  What to do [default: up] [possible values: up, down, status]

    Options:
          --yes   Do without asking what `down` takes with it
      -h, --help  Print help (see more with '--help')

    Database:
          --database-url <URL>           sqlite:PATH, sqlite::memory: or
                                         `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full`
                                         [env: DATABASE_URL] [default: sqlite:broadsheet.db]
          --db-min-size <COUNT>          Connections that are opened at start and kept (PostgreSQL)
                                         [env: DB_MIN_SIZE=] [default: 1]
          --db-max-size <COUNT>          The largest number of connections; on SQLite, of readers [env:
                                         DB_MAX_SIZE=] [default: 10]
          --db-force-roll-back [<BOOL>]  Roll all writes back when the server stops: a sandbox on one
                                         connection, not for a database that others use [env:
                                         DB_FORCE_ROLL_BACK=] [default: false] [possible values: true,
                                         false]
          --db-start-timeout <TIME>      How long the server waits at start for a database that is not
                                         there yet [env: DB_START_TIMEOUT=] [default: 60s]
          --db-connect-timeout <TIME>    How long opening a connection may take [env:
                                         DB_CONNECT_TIMEOUT=] [default: 5s]
          --db-wait-timeout <TIME>       How long a request waits for a free connection [env:
                                         DB_WAIT_TIMEOUT=] [default: 3s]
          --db-statement-timeout <TIME>  How long a statement may take; 0s for no limit [env:
                                         DB_STATEMENT_TIMEOUT=] [default: 10s]
          --db-lock-timeout <TIME>       How long a statement waits for a lock (PostgreSQL) [env:
                                         DB_LOCK_TIMEOUT=] [default: 5s]

    Log:
          --debug [<BOOL>]       Log in detail what Broadsheet does: for development [env: DEBUG=]
                                 [default: false] [possible values: true, false]
          --log <FILTER>         What to log, such as info, or warn,broadsheet=debug [default: info,
                                 with --debug broadsheet=debug,info] [env: LOG=]
          --log-format <FORMAT>  The form of the log's lines [env: LOG_FORMAT=] [default: text]
                                 [possible values: text, json]
    ");
}
