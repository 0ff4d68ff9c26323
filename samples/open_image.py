"""What open_image gives, on the image that ships: run it from the folder of the checkout."""

from process_anatomy import open_image

image = open_image("samples/lab-win11-22621.dmp")
for row in image.view("vads", pid=[5740], explain="brief"):
    if row["Protection"] == "PAGE_EXECUTE_READ":
        print(f"{row['Start VPN']:#x}", row["Region"], row["Explanation"])
for row in image.view("findings", severity="high"):
    print(row["PID"], row["Rule"], row["Evidence"])
print(image.view("handles", type=["Process"]).to_arrow().num_rows, "handles lead to processes")
