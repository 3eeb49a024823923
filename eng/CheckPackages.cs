// Checks what every package must have, and writes the first C# program of its README to a directory: for eng/consumer.sh.
using System.IO.Compression;
using System.Text;
using System.Text.RegularExpressions;
using System.Xml.Linq;

string packages = args[0], programs = args[1];
Directory.CreateDirectory(programs);
var faults = new List<string>();
foreach (string path in Directory.GetFiles(packages, "*.nupkg").Order())
{
    using ZipArchive package = ZipFile.OpenRead(path);
    string Text(string name) => new StreamReader(package.GetEntry(name)!.Open()).ReadToEnd();
    string specification = package.Entries.Single(e => e.FullName.EndsWith(".nuspec", StringComparison.Ordinal)).FullName;
    XElement metadata = XDocument.Parse(Text(specification)).Root!.Elements().First();
    string? Value(string name) => metadata.Elements().FirstOrDefault(e => e.Name.LocalName == name)?.Value;
    string id = Value("id")!;
    void Require(bool holds, string fault)
    {
        if (!holds)
            faults.Add($"{id}: {fault}");
    }

    foreach (string name in new[] { "description", "authors", "license", "projectUrl", "releaseNotes", "tags", "repository" })
        Require(Value(name) is not null, $"no {name}");
    Require(Value("description") is not ("" or "Package Description"), "no description");
    Require(metadata.Elements().FirstOrDefault(e => e.Name.LocalName == "repository")?.Attribute("commit")?.Value.Length == 40,
        "no commit of the repository");
    Require(Value("icon") is { } icon && package.GetEntry(icon) is not null, "no icon");
    Require(Value("readme") is { } readme && package.GetEntry(readme) is not null, "no README");
    string? text = package.GetEntry("README.md") is null ? null : Text("README.md");
    foreach (Match link in Regex.Matches(text ?? "", @"\]\(([^)]+)\)"))
    {
        string target = link.Groups[1].Value;
        Require(target.StartsWith("https://", StringComparison.Ordinal), $"the README has the relative link {target}");
    }

    if (package.Entries.Any(e => e.FullName == $"lib/net10.0/{id}.dll"))
    {
        File.WriteAllText(Path.Combine(programs, "version"), Value("version"));
        Require(package.GetEntry($"lib/net10.0/{id}.xml") is not null, "no documentation of members");
        Match program = Regex.Match(text ?? "", "```csharp\n(.*?)```", RegexOptions.Singleline);
        Require(program.Success, "the README has no program");
        File.WriteAllText(Path.Combine(programs, id + ".cs"), program.Groups[1].Value);
        // SourceLink is a JSON document in the symbols, not compressed where it is short.
        string symbols = Path.ChangeExtension(path, ".snupkg");
        Require(File.Exists(symbols), "no symbols");
        if (File.Exists(symbols))
        {
            using ZipArchive archive = ZipFile.OpenRead(symbols);
            using var content = new MemoryStream();
            using (Stream pdb = archive.GetEntry($"lib/net10.0/{id}.pdb")!.Open())
                pdb.CopyTo(content);
            Require(Encoding.UTF8.GetString(content.ToArray()).Contains("https://raw.githubusercontent.com/", StringComparison.Ordinal),
                "the symbols do not say where the sources are");
        }
    }
}

Console.WriteLine(string.Join('\n', faults));
return faults.Count == 0 && Directory.GetFiles(programs, "*.cs").Length >= 6 ? 0 : 1;
