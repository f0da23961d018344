/** Which plans a run tries, and how a failing one becomes small enough to look at. */
import { actorKinds, faultKinds, type Plan } from './world.ts'

export function planOf(seed: number, operations: number): Plan {
  return { seed, operations, actors: actorKinds, faults: faultKinds }
}

/** The smallest plan that still `fails`, by leaving out clients and faults and ending earlier. Deterministic if `fails` is. */
export async function shrink(plan: Plan, fails: (smaller: Plan) => Promise<boolean>): Promise<Plan> {
  let smallest = plan
  for (let changed = true; changed; ) {
    changed = false
    for (const smaller of smallerThan(smallest)) {
      if (!(await fails(smaller))) continue
      smallest = smaller
      changed = true
      break
    }
  }
  return smallest
}

function* smallerThan(plan: Plan): Generator<Plan> {
  if (plan.operations > 100) yield { ...plan, operations: Math.floor(plan.operations / 2) }
  for (const left of plan.actors)
    if (plan.actors.length > 1) yield { ...plan, actors: plan.actors.filter((kind) => kind !== left) }
  for (const left of plan.faults) yield { ...plan, faults: plan.faults.filter((kind) => kind !== left) }
}
