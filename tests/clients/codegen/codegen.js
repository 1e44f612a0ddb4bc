// graphql-codegen with the client preset: types for the operations in this directory.

// A file, or the server's address.
const schema = process.env.BROADSHEET_SCHEMA ?? "../../../schema.graphql";

export default {
  // oneOf: ask the server which inputs want exactly one of their fields, or the types would allow more.
  schema: [{ [schema]: { oneOf: true } }],
  documents: ["*.ts"],
  // For Node.js itself; a bundler needs no extensions.
  importExtension: ".js",
  generates: {
    "./gql/": {
      preset: "client",
      config: { documentMode: "string", useTypeImports: true, scalars: { DateTime: "string" } },
    },
  },
};
