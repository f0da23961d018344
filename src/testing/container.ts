/**
 * A Spindle in a container, by Testcontainers, for tests of programs in any language. Testcontainers is the caller's: pass its
 * `GenericContainer` and `Wait`, and nothing is installed that is not used.
 *
 *     import { GenericContainer, Wait } from 'testcontainers'
 *     import { startSpindleContainer } from 'spindle-mq/testing'
 *
 *     const spindle = await startSpindleContainer({ GenericContainer, Wait })
 *     new SQSClient({ endpoint: spindle.url, … })
 *     await spindle.stop()
 */

/** What is used of Testcontainers (10 and 11 alike). */
export interface Testcontainers<C extends ContainerToStart> {
  readonly GenericContainer: new (image: string) => C
  readonly Wait: { forHttp(path: string, port: number): Parameters<C['withWaitStrategy']>[0] }
}

export interface ContainerToStart {
  withEnvironment(environment: Record<string, string>): this
  withExposedPorts(...ports: number[]): this
  /** Its own type, which is not installed here; `never` takes whatever its `Wait` gives. */
  withWaitStrategy(strategy: never): this
  start(): Promise<StartedContainer>
}

export interface StartedContainer {
  getHost(): string
  getMappedPort(port: number): number
  stop(): Promise<unknown>
}

export interface SpindleContainer {
  /** `http://HOST:PORT`: the endpoint of SQS and SNS clients, the admin API, `open()` of other processes. */
  readonly url: string
  /** `amqp://HOST:PORT` */
  readonly amqpUrl: string
  stop(): Promise<void>
}

export interface SpindleContainerOptions {
  /** Default `spindle-mq:latest`; `docker build -t spindle-mq .` makes it. */
  readonly image?: string
  /** Further variables: SPINDLE_AWS_REGION, SPINDLE_AWS_LIMITS… */
  readonly environment?: Readonly<Record<string, string>>
}

const HTTP_PORT = 4566
const AMQP_PORT = 5672
const IMAGE = 'spindle-mq:latest'

/** In memory and open to everybody: the network of a test. Resolves once a write of it would be acknowledged. */
export async function startSpindleContainer<C extends ContainerToStart>(
  { GenericContainer, Wait }: Testcontainers<C>,
  { image = IMAGE, environment = {} }: SpindleContainerOptions = {},
): Promise<SpindleContainer> {
  const container = await new GenericContainer(image)
    .withEnvironment({ SPINDLE_INSECURE: '1', SPINDLE_DATA: 'memory:', ...environment })
    .withExposedPorts(HTTP_PORT, AMQP_PORT)
    .withWaitStrategy(Wait.forHttp('/readyz', HTTP_PORT))
    .start()
  const at = (port: number): string => `${container.getHost()}:${container.getMappedPort(port)}`
  return {
    url: `http://${at(HTTP_PORT)}`,
    amqpUrl: `amqp://${at(AMQP_PORT)}`,
    async stop() {
      await container.stop()
    },
  }
}
