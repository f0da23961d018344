<?php
// Laravel's SQS queue, connector, job and worker as they are, over AsyncAws's client. Debian has no AWS SDK for PHP, so its client class,
// which Laravel names, is a thin one here: the calls and their fields are Laravel's, the requests AsyncAws's.
namespace Aws\Sqs {
    class Answer extends \ArrayObject
    {
        public function get($key) { return $this->offsetExists($key) ? $this->offsetGet($key) : null; }
        #[\ReturnTypeWillChange]
        public function offsetGet($key) { return $this->offsetExists($key) ? parent::offsetGet($key) : null; }
    }

    class SqsClient
    {
        private $client;

        public function __construct(array $config)
        {
            $this->client = new \AsyncAws\Sqs\SqsClient([
                'endpoint' => $config['endpoint'],
                'region' => $config['region'],
                'accessKeyId' => $config['credentials']['key'],
                'accessKeySecret' => $config['credentials']['secret'],
            ]);
        }

        public function getQueueAttributes(array $input)
        {
            return new Answer(['Attributes' => $this->client->getQueueAttributes($input)->getAttributes()]);
        }

        public function sendMessage(array $input)
        {
            return new Answer(['MessageId' => $this->client->sendMessage($input)->getMessageId()]);
        }

        public function receiveMessage(array $input)
        {
            $messages = array_map(fn ($message) => [
                'MessageId' => $message->getMessageId(),
                'ReceiptHandle' => $message->getReceiptHandle(),
                'Body' => $message->getBody(),
                'Attributes' => $message->getAttributes(),
            ], $this->client->receiveMessage($input)->getMessages());
            return new Answer($messages === [] ? [] : ['Messages' => $messages]);
        }

        public function deleteMessage(array $input) { $this->client->deleteMessage($input)->resolve(); }
        public function changeMessageVisibility(array $input) { $this->client->changeMessageVisibility($input)->resolve(); }
        public function purgeQueue(array $input) { $this->client->purgeQueue($input)->resolve(); }
    }
}

namespace {
    require 'Illuminate/Queue/autoload.php';
    require 'Illuminate/Events/autoload.php';
    require 'AsyncAws/Sqs/autoload.php';

    $done = [];

    class Note
    {
        public function fire($job, array $data)
        {
            global $done;
            if ($job->attempts() < $data['attempts']) throw new \RuntimeException('not yet');
            $done[] = $data['text'].':'.$job->attempts();
            $job->delete();
        }
    }

    class Quiet implements \Illuminate\Contracts\Debug\ExceptionHandler
    {
        public function report(\Throwable $e) {}
        public function shouldReport(\Throwable $e) { return false; }
        public function render($request, \Throwable $e) {}
        public function renderForConsole($output, \Throwable $e) {}
    }

    [, $endpoint] = $argv;
    $container = new \Illuminate\Container\Container();
    $events = new \Illuminate\Events\Dispatcher($container);
    $manager = new \Illuminate\Queue\QueueManager($container);
    $queue = (new \Illuminate\Queue\Connectors\SqsConnector())->connect([
        'endpoint' => $endpoint, 'region' => 'us-east-1', 'key' => 'test', 'secret' => 'test',
        'prefix' => $endpoint.'/000000000000', 'queue' => 'jobs',
    ]);
    $queue->setContainer($container);
    $queue->setConnectionName('sqs');
    $worker = new \Illuminate\Queue\Worker($manager, $events, new Quiet(), fn () => false);
    $options = new \Illuminate\Queue\WorkerOptions();
    $options->maxTries = 3;

    for ($i = 0; $i < 5; $i++) $queue->push('Note', ['text' => "n$i", 'attempts' => 1]);
    $queue->push('Note', ['text' => 'again', 'attempts' => 2]);
    echo 'size ', $queue->size(), "\n";
    $queue->later(1, 'Note', ['text' => 'later', 'attempts' => 1]);
    $until = microtime(true) + 30;
    while (count($done) < 7 && microtime(true) < $until) {
        $job = $queue->pop();
        if ($job === null) { usleep(50000); continue; }
        try { $worker->process('sqs', $job, $options); } catch (\RuntimeException $e) {}
    }
    sort($done);
    echo implode(' ', $done), "\n";
    $queue->push('Note', ['text' => 'cleared', 'attempts' => 1]);
    echo 'cleared ', $queue->clear('jobs'), ', left ', $queue->size(), "\n";
}
