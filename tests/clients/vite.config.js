// Vite, with Relay's plugin: it replaces each graphql`…` with what relay-compiler has generated.

import { defineConfig } from "vite";
import relay from "vite-plugin-relay";

export default defineConfig({ plugins: [relay] });
