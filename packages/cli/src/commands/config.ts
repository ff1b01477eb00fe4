/** `pnet config`: which settings hold. */
import * as Argument from "effect/cli/Argument"
import * as Spec from "../spec.ts"

export const config = Spec.make({
  name: "config",
  summary: "Which settings hold, and where they come from",
  description:
    "Lists the settings that hold: by flags, then the environment, then the profile of the config file, then the file itself, then defaults. " +
    "The config file is JSON: { \"network\": \"home\", \"profiles\": { \"work\": { \"network\": \"office\" } } }.",
  examples: [
    { command: "pnet config", description: "All of them" },
    { command: "pnet config config --json | jq -r .value", description: "The path of the config file" },
    { command: "pnet config --profile work", description: "Those of a profile" }
  ],
  config: {
    names: Argument.String("setting").pipe(
      Argument.withDescription("Some of them alone, by their names"),
      Argument.variadic()
    )
  },
  prints: ["setting"]
})
