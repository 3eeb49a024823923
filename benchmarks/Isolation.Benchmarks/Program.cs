using BenchmarkDotNet.Running;

// dotnet run -c Release --project benchmarks/Isolation.Benchmarks -- --filter '*'
BenchmarkSwitcher.FromAssembly(typeof(Isolation.Benchmarks.SyscallBenchmarks).Assembly).Run(args);
