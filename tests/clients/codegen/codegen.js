// graphql-codegen with the client preset: types for the operations in this directory.

export default {
  schema: process.env.BROADSHEET_SCHEMA ?? "../../../schema.graphql",
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
