/**
 * Runs before each test file (`setupFiles` of the workspace), and has it begin as in a process of its own: what is counted for a whole
 * process is forgotten. Files share their processes, as loading the same modules anew, and having V8 compile them, took longer than
 * most of them.
 *
 * What bites: a module that comes to keep something for its process, and tests that look at it, belong here.
 */
import { meters } from "@pnet/core/internal/call/callMetrics"
import * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import { chai } from "vitest"
import * as Instances from "./instances.ts"

// For words that there are not, which the compiler sees; each assertion costs several times as much with it.
chai.config.useProxy = false
Instances.startOver()
meters.clear()
Context.get(Context.empty(), Metric.MetricRegistry).clear()
