// graphql-codegen with the client preset: types for the operations in this directory.

// The server's address, or a file that was saved from /schema.graphql.
const schema = process.env.BROADSHEET_SCHEMA ?? "http://localhost:8000/graphql";

export default {
  // oneOf: ask the server which inputs take exactly one of their fields; otherwise the types would allow more.
  schema: [{ [schema]: { oneOf: true } }],
  documents: ["*.ts"],
  // For Node.js itself; a bundler needs no extensions, but accepts them.
  importExtension: ".js",
  generates: {
    "./gql/": {
      preset: "client",
      config: { documentMode: "string", useTypeImports: true, scalars: { DateTime: "string" } },
    },
  },
};
