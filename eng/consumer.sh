#!/usr/bin/env bash
# What a user of the packages does first, with the packages of a folder and nothing else: each package by itself with the program of its README, the
# template, and the tool. Every build has warnings as errors. Ends with the counts that eng/test.sh adds up.
# usage: eng/consumer.sh DIRECTORY
set -uo pipefail
packages=$(cd "$1" && pwd) here=$(cd "$(dirname "$0")" && pwd)
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1
cached=$(dotnet nuget locals global-packages --list | sed 's/^global-packages: //')
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
passed=0 failed=0 log=$work/log
try() { # NAME COMMAND...: a test as the runner of the others shows it
  local name=$1 begin=$SECONDS verdict=passed; shift
  if "$@" > "$log" 2>&1; then passed=$((passed + 1)); else failed=$((failed + 1)) verdict=failed; fi
  echo "$verdict $name ($(((SECONDS - begin) * 1000))ms)"
  [ $verdict = passed ] || tail -40 "$log" | sed 's/^/  /'
}
# Packages of others are those that the build of the repository has fetched: nothing comes from a network, nor an older package from a cache.
cat > NuGet.config <<C
<configuration>
  <config><add key="globalPackagesFolder" value="$work/cache" /></config>
  <packageSources><clear /><add key="folder" value="$packages" /></packageSources>
  <fallbackPackageFolders><add key="cached" value="$cached" /></fallbackPackageFolders>
</configuration>
C
echo '<Project><PropertyGroup><TreatWarningsAsErrors>true</TreatWarningsAsErrors><NuGetAudit>false</NuGetAudit></PropertyGroup></Project>' > Directory.Build.props
echo '<Project />' > Directory.Build.targets; touch .editorconfig

project() { # NAME [LINE...]: a program as "dotnet new console" makes it, with the lines in its project
  mkdir -p "$1"
  { echo '<Project Sdk="Microsoft.NET.Sdk"><PropertyGroup><OutputType>Exe</OutputType><TargetFramework>net10.0</TargetFramework><Nullable>enable</Nullable>'
    echo '<ImplicitUsings>enable</ImplicitUsings></PropertyGroup><ItemGroup>'; printf '%s\n' "${@:2}"; echo '</ItemGroup></Project>'; } > "$1/$1.csproj"
}
# The check of all packages writes the first program of each README, as it is in the package.
project Check; cp "$here/CheckPackages.cs" Check/Program.cs
try "The packages have what users and debuggers look for" dotnet run --project Check -- "$packages" "$work/programs"
finish() { printf '  total: %s\n  failed: %s\n  succeeded: %s\n  skipped: 0\n' $((passed + failed)) $failed $passed; [ $failed = 0 ]; exit; }
version=$(cat programs/version 2>/dev/null) || finish
for program in programs/*.cs; do
  name=$(basename "$program" .cs)
  project "Uses.$name" "<PackageReference Include=\"$name\" Version=\"$version\" />"; cp "$program" "Uses.$name/Program.cs"
done
project Uses.All $(for program in programs/*.cs; do echo "<PackageReference Include=\"$(basename "$program" .cs)\" Version=\"$version\"/>"; done | tr ' ' '\t')
echo 'Console.WriteLine("all packages fit together");' > Uses.All/Program.cs
{ echo '<Solution>'; for uses in Uses.*/; do uses=${uses%/}; echo "<Project Path=\"$uses/$uses.csproj\" />"; done; echo '</Solution>'; } > Uses.slnx
try "The programs of the packages' READMEs compile without a warning" dotnet build Uses.slnx -v quiet
for uses in Uses.*/; do uses=${uses%/}; try "The program of $uses runs" dotnet "$uses/bin/Debug/net10.0/$uses.dll"; done

template() {
  dotnet new install "$packages/Isolation.Templates.$version.nupkg" --debug:custom-hive "$work/hive" &&
    dotnet new isolation-sandbox --name My.Sandbox --output My.Sandbox --no-update-check --debug:custom-hive "$work/hive" &&
    dotnet build My.Sandbox -v quiet && [ "$(dotnet My.Sandbox/bin/Debug/net10.0/My.Sandbox.dll echo it works)" = "it works" ]
}
try "The template makes a program that builds and runs" template

tool() {
  dotnet tool install Isolation.Launcher --tool-path "$work/tools" --version "$version" --configfile "$work/NuGet.config" &&
    [ "$("$work/tools/isolation" --version)" = "isolation $version" ] && [ "$("$work/tools/isolation" run echo inside)" = inside ]
}
try "The tool installs and runs a command in a container" tool
native() { find "$work/tools/.store" -name Isolation.Launcher -type f -exec head -c4 {} + | grep -q ELF; }
[ "$(uname -m)" != x86_64 ] || [ ! -e "$packages/Isolation.Launcher.linux-x64.$version.nupkg" ] || try "The tool is native code" native
finish
