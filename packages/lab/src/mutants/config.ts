/** The workspace's tests, with the mutation of the environment made in what they load, and in the programs that they start. */
import { defineConfig, type TestProjectInlineConfiguration, type ViteUserConfig } from "vitest/config"
import { inEnvironment } from "./mutation.ts"

// It is no part of this package, and so of what the compiler may take for it.
const workspace: ViteUserConfig =
  (await import(new URL("../../../../vitest.workspace.ts", import.meta.url).href) as { default: ViteUserConfig })
    .default

const hook = `--import ${new URL("hook.ts", import.meta.url).href}`

const projects = workspace.test!.projects as ReadonlyArray<TestProjectInlineConfiguration>

export default defineConfig({
  ...workspace,
  test: {
    ...workspace.test,
    projects: projects.map((project) => ({
      ...project,
      // What was loaded in another run is not what this one is to load.
      plugins: [
        {
          name: "mutation",
          enforce: "pre",
          // The environment changes from one run to the next.
          transform: (source: string, id: string) => inEnvironment()(id.split("?", 1)[0]!, source)
        }
      ],
      // Each file in a process of its own: one that a mutation has broken is no matter to the next.
      test: {
        ...project.test,
        isolate: true,
        setupFiles: [],
        fsModuleCache: false,
        env: { ...project.test?.env, NODE_OPTIONS: hook }
      }
    }))
  }
})
