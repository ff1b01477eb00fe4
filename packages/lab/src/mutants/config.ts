/** The workspace's tests, with the mutation of the environment made in what they load, and in the programs that they start. */
import { defineConfig, type ViteUserConfig } from "vitest/config"
import { inEnvironment } from "./mutation.ts"

// It is no part of this package, and so of what the compiler may take for it.
const workspace: ViteUserConfig =
  (await import(new URL("../../../../vitest.workspace.ts", import.meta.url).href) as { default: ViteUserConfig })
    .default

const hook = `--import ${new URL("hook.ts", import.meta.url).href}`

export default defineConfig({
  ...workspace,
  plugins: [
    {
      name: "mutation",
      enforce: "pre",
      // The environment changes from one run to the next.
      transform: (source: string, id: string) => inEnvironment()(id.split("?", 1)[0]!, source)
    }
  ],
  test: {
    ...workspace.test,
    // Each file in a process of its own: one that a mutation has broken is no matter to the next.
    isolate: true,
    setupFiles: [],
    // What was loaded in another run is not what this one is to load, and what is not changed is compiled once for all of them.
    fsModuleCache: false,
    experimental: { viteModuleRunner: true },
    env: { ...workspace.test?.env, NODE_OPTIONS: hook }
  }
})
